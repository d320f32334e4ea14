package index

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// none is a source without changes, for an index that is filled directly.
type none struct{ revision uint64 }

func (n none) RecordsRevision(context.Context) (uint64, error) { return n.revision, nil }

func (n none) Changes(ctx context.Context, _ uint64, _ func([]streams.Change) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// filled holds size invocations of four functions, most of them ended.
func filled(b *testing.B, size int) *Index {
	b.Helper()
	x, err := Open(filepath.Join(b.TempDir(), "index"), none{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = x.Close() })
	batch := make([]streams.Change, 0, 512)
	for n := range size {
		batch = append(batch, change(n))
		if len(batch) == cap(batch) || n == size-1 {
			if err := x.deliver(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	x.progress.begin(0)
	return x
}

func change(n int) streams.Change {
	at := epoch.Add(time.Duration(n) * time.Millisecond)
	k := multinode.InvocationKey{Project: "project", Generation: "abcdefgh", Function: fmt.Sprintf("function-%d", n%4), ID: multinode.NewID("inv")}
	record := multinode.Invocation{
		Key: k, Version: versions[n%2], Sequence: uint64(n), CreatedAt: at, UpdatedAt: at, Status: statuses[n/4%len(statuses)],
	}
	return streams.Change{Key: k, Record: &record, Revision: uint64(n + 1)}
}

func BenchmarkList50(b *testing.B) {
	failed := []multinode.Status{multinode.Failed}
	for _, size := range []int{1_000, 100_000} {
		x := filled(b, size)
		for name, q := range map[string]Query{
			"newest": {}, "failed": {Status: failed}, "version": {Version: versions[0]}, "middle": {After: "middle"},
		} {
			q.Project, q.Generation, q.Function = "project", "abcdefgh", "function-0"
			if q.After != "" {
				q.After = q.cursorAt(orderOf(epoch.Add(time.Duration(size/2)*time.Millisecond), 0, hash{}))
			}
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := x.List(q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkFeed gives the time per change: of a rebuild, and one by one.
func BenchmarkFeed(b *testing.B) {
	for _, size := range []int{512, 1} {
		b.Run(fmt.Sprintf("batches of %d", size), func(b *testing.B) {
			x := filled(b, 10_000)
			n := 10_000
			batch := make([]streams.Change, 0, size)
			for b.Loop() {
				batch = append(batch, change(n))
				n++
				if len(batch) == size {
					if err := x.deliver(batch); err != nil {
						b.Fatal(err)
					}
					batch = batch[:0]
				}
			}
		})
	}
}
