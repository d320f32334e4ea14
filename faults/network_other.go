//go:build !linux

package main

import (
	"context"
	"errors"
)

type network struct{}

var errNoNetwork = errors.New("networks of one's own take Linux, root and the program ip")

func newNetwork(context.Context, int) (*network, error) { return nil, errNoNetwork }

func (n *network) address(int) string                   { return "" }
func (n *network) on(int, *command)                     {}
func (n *network) cut(context.Context, int, bool) error { return errNoNetwork }
func (n *network) close(context.Context) error          { return nil }
