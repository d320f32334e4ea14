package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"

	"multinode/wire"
)

// emitter sends one server-sent event; its error means that the client is gone.
type emitter func(event string, data any) error

// eventStream sends events until there are no more or ctx ends. It begins after
// the answer's head was sent: what can go wrong is to be found out before.
type eventStream func(ctx context.Context, emit emitter) error

// streamsEvents makes an endpoint of a handler that answers with an event stream. The
// events are samples of their data by name, for the OpenAPI document.
func streamsEvents(events map[string]any, prepare func(*Gateway, context.Context, *call) (eventStream, error)) endpoint {
	return endpoint{
		events: events,
		serve: func(ctx context.Context, g *Gateway, c *call) error {
			stream, err := prepare(g, ctx, c)
			if err != nil {
				return err
			}
			return g.sendEvents(c, stream)
		},
	}
}

// followsLogs makes an endpoint that answers with a page or, where the query
// asks for that, with an event stream.
func followsLogs() endpoint {
	page := asks((*Gateway).getLogs)
	follow := streamsEvents(map[string]any{wire.EventLog: wire.LogEvent{}, wire.EventEnd: wire.ExecutionInfo{}}, (*Gateway).followLogs)
	both := page
	both.events = follow.events
	both.serve = func(ctx context.Context, g *Gateway, c *call) error {
		var q logsQuery
		if err := c.decodeQuery(&q); err != nil {
			return err
		}
		if q.Follow != nil && *q.Follow {
			return follow.serve(ctx, g, c)
		}
		return page.serve(ctx, g, c)
	}
	return both
}

func (g *Gateway) sendEvents(c *call, stream eventStream) error {
	admitted, release, err := g.admitWaiter(g.closing, c.grant)
	if err != nil {
		return err
	}
	c.http.Status(http.StatusOK)
	c.http.Set(fiber.HeaderContentType, "text/event-stream")
	c.http.Set(fiber.HeaderCacheControl, "no-cache")
	c.http.Set("X-Accel-Buffering", "no") // proxies are not to collect events
	conn := c.http.RequestCtx().Conn()
	path := strings.Clone(c.http.Path()) // fiber reuses its memory
	g.streams.Add(1)
	return c.http.SendStreamWriter(func(w *bufio.Writer) {
		defer g.streams.Done()
		defer release()
		defer func() {
			if cause := recover(); cause != nil {
				g.logPanic(cause, http.MethodGet, path)
			}
		}()
		ctx, cancel := context.WithCancel(admitted)
		defer cancel()
		s := &sse{w: w, conn: conn, timeout: g.options.WriteTimeout, gone: cancel}
		var beating sync.WaitGroup
		defer beating.Wait()
		defer cancel()
		// The head of the answer goes out with the first bytes after it.
		if s.comment("open") != nil {
			return
		}
		beating.Go(func() { s.beat(ctx, g.options.Heartbeat) })
		err := stream(ctx, s.emit)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errClientGone) {
			g.log.Warn("an event stream broke off", "path", path, "error", err)
		}
	})
}

var errClientGone = errors.New("the client of the event stream is gone")

// sse writes events. The heartbeat and the stream take turns.
type sse struct {
	mu      sync.Mutex
	w       *bufio.Writer
	conn    net.Conn
	timeout time.Duration
	// gone is called when nobody reads any more.
	gone func()
}

func (s *sse) emit(event string, data any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body) // ends the document with the line feed that ends the field
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return fmt.Errorf("encode the event %s: %w", event, err)
	}
	return s.write("event: "+event+"\ndata: ", body.Bytes(), "\n")
}

// comment sends what clients skip.
func (s *sse) comment(text string) error { return s.write(": "+text+"\n\n", nil, "") }

func (s *sse) write(head string, body []byte, tail string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A stream lives longer than the server's deadline for an answer: each write
	// has its own.
	err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout))
	_, _ = s.w.WriteString(head) // bufio keeps the error for Flush
	_, _ = s.w.Write(body)
	_, _ = s.w.WriteString(tail)
	if err = errors.Join(err, s.w.Flush()); err != nil {
		s.gone()
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	return nil
}

// beat keeps proxies from closing a silent connection, and notices a client that
// went away.
func (s *sse) beat(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if s.comment("still here") != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
