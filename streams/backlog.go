package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Backlog is how far a function's requests go.
type Backlog struct {
	Function multinode.Function
	// Last is the sequence of the newest request; 0 where there never was one.
	Last uint64
}

// Stored returns how many bytes are stored in all. While it stays the same it is
// as good as sure that nothing was stored.
func (s *Store) Stored(ctx context.Context) (uint64, error) {
	info, err := s.js.AccountInfo(ctx)
	if err != nil {
		return 0, classify("look how much is stored", err)
	}
	return info.Store, nil
}

// Backlogs returns those of all functions that take requests, in a few answers
// of the server: it may be asked again and again.
func (s *Store) Backlogs(ctx context.Context) ([]Backlog, error) {
	byStream := map[string]multinode.Function{}
	for _, f := range s.Functions(ctx) {
		byStream[requestStream(f.Project, f.Generation, f.Name)] = f
	}
	backlogs := make([]Backlog, 0, len(byStream))
	for offset := 0; ; {
		page, err := s.listRequestStreams(ctx, offset)
		if err != nil {
			return nil, err
		}
		for _, stream := range page.Streams {
			if f, ok := byStream[stream.Config.Name]; ok {
				backlogs = append(backlogs, Backlog{f, stream.State.LastSeq})
			}
		}
		if offset += len(page.Streams); len(page.Streams) == 0 || offset >= page.Total {
			return backlogs, nil
		}
	}
}

// streamsPage is the part of the server's answer that is of interest: reading
// no more of it is what makes it cheap.
type streamsPage struct {
	Error   *jetstream.APIError `json:"error"`
	Total   int                 `json:"total"`
	Streams []struct {
		Config struct {
			Name string `json:"name"`
		} `json:"config"`
		State struct {
			LastSeq uint64 `json:"last_seq"`
			Bytes   uint64 `json:"bytes"`
		} `json:"state"`
	} `json:"streams"`
}

func (s *Store) listRequestStreams(ctx context.Context, offset int) (streamsPage, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var page streamsPage
	body, err := json.Marshal(map[string]any{"subject": requestSubjects + ".>", "offset": offset})
	if err != nil {
		return page, err
	}
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.LIST", body)
	if err != nil {
		return page, classify("list the functions' streams", err)
	}
	if err := json.Unmarshal(m.Data, &page); err != nil {
		return page, fmt.Errorf("list the functions' streams: %w", err)
	}
	if page.Error != nil {
		return page, classify("list the functions' streams", page.Error)
	}
	return page, nil
}

// Done returns the sequence up to which every request of a function has been
// dealt with, or ErrNotFound.
func (s *Store) Done(ctx context.Context, f multinode.Function) (uint64, error) {
	consumer, err := s.js.Consumer(ctx, requestStream(f.Project, f.Generation, f.Name), consumerName)
	if err != nil {
		return 0, classify("look at the requests", err)
	}
	return consumer.CachedInfo().AckFloor.Stream, nil
}

const (
	// headersBatch is how many requests are read at once.
	headersBatch = 512
	// headersPatience is how long an answer to that may take, and after how long
	// the server forgets a reader that is gone.
	headersPatience = 30 * time.Second
)

// EachRequest calls fn for the requests of a function that are stored after a
// sequence, in their order and without their inputs, and returns the sequence
// up to which it came. An error of fn's ends it.
func (s *Store) EachRequest(ctx context.Context, f multinode.Function, after uint64, fn func(Request) error) (uint64, error) {
	stream := requestStream(f.Project, f.Generation, f.Name)
	consumer, err := s.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: headersPatience,
	})
	if err != nil {
		return after, classify("read the requests", err)
	}
	name := consumer.CachedInfo().Name
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
		defer cancel()
		_ = s.js.DeleteConsumer(ctx, stream, name) // the server forgets it otherwise
	}()
	for left := consumer.CachedInfo().NumPending; left > 0; {
		batch, err := consumer.Fetch(int(min(left, headersBatch)), jetstream.FetchMaxWait(headersPatience))
		if err != nil {
			return after, classify("read the requests", err)
		}
		read := 0
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return after, err
			}
			h := m.Headers()
			if err := fn(requestOf(f, m.Subject(), h, nil, meta.Sequence.Stream, meta.Timestamp)); err != nil {
				return after, err
			}
			after, left = meta.Sequence.Stream, min(left-1, meta.NumPending)
			read++
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return after, classify("read the requests", err)
		}
		if read == 0 {
			return after, nil // what was there was deleted meanwhile
		}
	}
	return after, nil
}
