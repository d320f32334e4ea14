package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
)

// system is what is under test.
type system struct {
	// brokers are NATS servers, where they are processes of their own.
	brokers []*server
	// network is theirs, where each has a host of its own.
	network *network
	// messages stands before the one broker, where some are to be lost.
	messages *messages
	// clocks are set where the wall clock is to be wrong.
	clocks *clocks
	// disk is that of all data, where it is to be full.
	disk *disk
	// gateways serve the API; dispatchers have workers. `up` is both.
	gateways, dispatchers []*server
	// authority is the file with the keys of NATS.
	authority string
}

// single prepares a system of one process.
func (w *workshop) single(dir string) (*system, error) {
	up, err := w.newUp(dir)
	if err != nil {
		return nil, err
	}
	one := []*server{up}
	return &system{gateways: one, dispatchers: one, authority: filepath.Join(up.data, "nats", "identity.json")}, nil
}

// ours are the processes of our binary.
func (s *system) ours() []*server {
	if s.gateways[0] == s.dispatchers[0] {
		return s.gateways
	}
	return slices.Concat(s.gateways, s.dispatchers)
}

// servers are all processes, in the order in which they start.
func (s *system) servers() []*server { return slices.Concat(s.brokers, s.ours()) }

// close takes down what the system stood on.
func (s *system) close() error {
	var errs []error
	if s.messages != nil {
		s.messages.close()
	}
	if s.network != nil {
		errs = append(errs, s.network.close(context.Background()))
	}
	if s.disk != nil {
		errs = append(errs, s.disk.close())
	}
	return errors.Join(errs...)
}
