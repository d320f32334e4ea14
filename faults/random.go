package main

import (
	"math/rand/v2"
	"sync"
)

// dice are one source of chance for many goroutines: a seed gives the same
// choices, though not the same order of events.
type dice struct {
	mu     sync.Mutex
	source *rand.Rand
}

func newDice(seed uint64) *dice {
	return &dice{source: rand.New(rand.NewPCG(seed, 0))}
}

func (d *dice) next(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.source.IntN(n)
}

// ports are not to follow the seed: two runs of one seed may run at a time.
var ports = newDice(rand.Uint64())
