package main

import (
	"sync"
	"time"
)

// load is what several clients measured together.
type load struct {
	samples samples
	took    time.Duration
}

func (l load) perSecond() float64 { return float64(len(l.samples)) / l.took.Seconds() }

// concurrently has each of the clients time do as often as it can for a while.
func concurrently(clients int, d time.Duration, do func() error) (load, error) {
	var (
		all   load
		mu    sync.Mutex
		first error
		wait  sync.WaitGroup
	)
	begun := time.Now()
	for range clients {
		wait.Go(func() {
			for time.Since(begun) < d {
				taken, err := repeat(1, do)
				mu.Lock()
				if err != nil {
					if first == nil {
						first = err
					}
					mu.Unlock()
					return
				}
				all.samples = append(all.samples, taken...)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	all.took = time.Since(begun)
	return all, first
}
