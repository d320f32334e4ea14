package streams

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// acceptUpTo is the share of the store above which no request is accepted: the
	// rest belongs to bringing what was accepted to its end.
	acceptUpTo = 0.8
	// logShare is the largest share of the store that logs may take.
	logShare = 0.2
	// pressureInterval is how often the server is asked what it holds.
	pressureInterval = 2 * time.Second
	// requestOverhead is what a stored request takes beside its input, in bytes,
	// its record included.
	requestOverhead = 2 << 10
)

// pressure knows how full the store is: as the server said last, and what was
// accepted since.
type pressure struct {
	limit    int64 // in bytes; 0 or less means none
	used     atomic.Int64
	accepted atomic.Int64
	// cramped tells that the disk has no room left.
	cramped atomic.Bool
}

// full tells whether a request with an input of this size is one too many.
func (p *pressure) full(size int) bool {
	if p.cramped.Load() || p.limit <= 0 {
		return p.cramped.Load()
	}
	return float64(p.used.Load()+p.accepted.Load()+int64(size)) > acceptUpTo*float64(p.limit)
}

func (p *pressure) add(size int) { p.accepted.Add(int64(size) + requestOverhead) }

// readPressure asks the server how full it is.
func (s *Store) readPressure(ctx context.Context) error {
	info, err := s.js.AccountInfo(ctx)
	if err != nil {
		return classify("look how full the store is", err)
	}
	s.pressure.limit = info.Limits.MaxStore // fixed for the life of a server
	s.pressure.accepted.Store(0)
	s.pressure.used.Store(int64(info.Store))
	s.lookForRoom()
	return nil
}

// lookForRoom asks the disk, which others fill, too.
func (s *Store) lookForRoom() {
	if s.options.Room == nil {
		return
	}
	room, err := s.options.Room()
	if err != nil {
		s.log.Debug("it is not known how full the disk is", "error", err)
		return
	}
	cramped := room <= 0
	if was := s.pressure.cramped.Swap(cramped); was == cramped {
		return
	}
	if cramped {
		s.log.Error("the disk is nearly full: nothing is accepted until there is room on it again")
	} else {
		s.log.Info("there is room on the disk again: requests are accepted")
	}
}

// watchPressure keeps the figures current until ctx ends.
func (s *Store) watchPressure(ctx context.Context) {
	tick := time.NewTicker(pressureInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.lookForRoom()
			if info, err := s.js.AccountInfo(ctx); err == nil { // else: counted on
				s.pressure.accepted.Store(0)
				s.pressure.used.Store(int64(info.Store))
			}
		case <-ctx.Done():
			return
		}
	}
}
