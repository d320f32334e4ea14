package hostile_test

import (
	"context"
	"sync"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

// captive launches nothing: what a worker would have been given is kept for the
// test, which is the worker.
type captive struct {
	mu       sync.Mutex
	launched map[string]provision.Intent
	intents  chan provision.Intent
	exits    chan provision.Exit
}

func newCaptive() *captive {
	return &captive{
		launched: map[string]provision.Intent{}, intents: make(chan provision.Intent, 100), exits: make(chan provision.Exit),
	}
}

func (c *captive) Launch(_ context.Context, i provision.Intent) (multinode.Worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.launched[i.ExecutionID]; !again {
		c.launched[i.ExecutionID] = i
		c.intents <- i
	}
	return multinode.Worker{Kind: "captive", ID: i.ExecutionID}, nil
}

// Stop does not stop the test: a worker that means ill goes on somehow.
func (c *captive) Stop(_ context.Context, id string, _ multinode.Worker, _ time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.launched, id)
	return nil
}

func (c *captive) List(context.Context) ([]provision.Worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []provision.Worker
	for id, i := range c.launched {
		list = append(list, provision.Worker{
			ExecutionID: id, ExecutionKey: i.ExecutionKey, Handle: multinode.Worker{Kind: "captive", ID: id}, Started: true, Alive: true,
		})
	}
	return list, nil
}

func (c *captive) Exits() <-chan provision.Exit { return c.exits }

func (c *captive) Place() string { return "captive" }

func (c *captive) Close() error { return nil }
