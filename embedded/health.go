package embedded

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ErrStoreStopped means that the server has to be started again to store anything.
var ErrStoreStopped = errors.New("the disk was full, and NATS writes nothing more until it is started again; there is room now: start it")

// healthInterval is how often it is looked whether the server can store anything.
const healthInterval = time.Second

// noRoom is in what the server says of a write that found no room. The stream that it
// was for has stopped for good.
const noRoom = "no space left on device"

// Watch returns ErrStoreStopped once the server stores nothing more though there is
// room, and nil when ctx ends. While the disk is full it waits: another start would not
// help.
func (s *Server) Watch(ctx context.Context) error {
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if !s.log.starved.Load() && s.server.JetStreamEnabled() {
			continue
		}
		if room, err := s.Room(); err == nil && room > 0 {
			return ErrStoreStopped
		}
	}
}

// heed looks for errors after which streams write nothing more.
func (l *serverLog) heed(text string) {
	if strings.Contains(text, noRoom) {
		l.starved.Store(true)
	}
}
