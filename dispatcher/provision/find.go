package provision

import (
	"context"
	"time"

	"multinode"
)

// Presence is what a Finder can say of a worker.
type Presence int

const (
	// Unknown means that the compute shows nothing, which does not prove that nothing is there.
	Unknown Presence = iota
	// Alive means that the worker is on its way, or runs.
	Alive
	// Gone means that the worker has ended, or there never was one.
	Gone
)

// Finder is a Provisioner whose List may miss a worker that lives: compute behind
// an API that shows what happened only after a while. That a worker is missing
// from such a List says nothing; Find looks for it by itself.
type Finder interface {
	// Find tells whether the worker of an execution lives. The handle may be zero.
	// launched is when it was meant to be launched, or zero where that is not known:
	// what has not shown up long after that is Gone. Errors are *Error.
	Find(ctx context.Context, executionID string, handle multinode.Worker, launched time.Time) (Presence, error)
}
