package gateway

import (
	"context"
	"errors"

	"multinode"
	"multinode/streams"
	"multinode/streams/index"
)

// watched reads a record again and again, and never an older one than it was told
// of: of several servers, the one that answers may lag behind the one that told. Who
// then waited for the next change would do so in vain.
type watched struct {
	g   *Gateway
	key multinode.InvocationKey
	// told is the newest revision that somebody told of.
	told uint64
}

// watch begins behind a subscription to the index.
func (g *Gateway) watch(key multinode.InvocationKey) *watched {
	w := &watched{g: g, key: key}
	if e, known, err := g.index.Get(key); known && err == nil {
		w.hear(e)
	}
	return w
}

// hear notes a change of which the index told.
func (w *watched) hear(e index.Entry) { w.told = max(w.told, e.Revision) }

// read returns the record and its revision.
func (w *watched) read(ctx context.Context) (multinode.Invocation, uint64, error) {
	record, revision, err := w.g.options.record(ctx, w.key)
	if w.told > 0 && (errors.Is(err, streams.ErrNotFound) || err == nil && revision < w.told) {
		record, revision, err = w.g.store.CurrentRevision(ctx, w.key)
	}
	w.told = max(w.told, revision)
	return record, revision, err
}
