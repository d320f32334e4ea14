package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode/streams"
)

// slotPause is how long a request waits that found its function's slots taken.
const slotPause = time.Second

// crowded tells whether the function's quota leaves no room for another execution of
// this request. The server holds what it delivers for the first time to the quota; but
// what is delivered again, for a retry or after a crash, comes all the same where the
// quota was lowered meanwhile. Then the records decide: a request waits for all that
// were accepted earlier and have not ended, as it would if it had yet to be delivered,
// and for those later ones that are live. Two dispatchers that ask this at the same
// time cannot both be told to go on where only one may: of two requests the later one
// always counts the earlier one, whether that is live yet or not.
func (l *lease) crowded(ctx context.Context) (bool, error) {
	if !l.delivery.Again {
		return false, nil
	}
	taken, limit, err := l.d.Store.Slots(ctx, l.key)
	if err != nil || taken <= limit {
		if errors.Is(err, streams.ErrNotFound) {
			err = nil // whatever comes next finds out that the project has gone
		}
		return false, err
	}
	// What was stored before this moment must be in the index.
	revision, err := l.d.Store.RecordsRevision(ctx)
	if err != nil {
		return false, err
	}
	if l.d.indexed(ctx, revision) != nil {
		return true, ctx.Err() // it lags: who goes on now might be one too many
	}
	before, err := l.d.Index.Before(l.key, l.delivery.Sequence, limit)
	return before >= limit, err
}
