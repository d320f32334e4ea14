package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/gateway"
	"multinode/wire"
)

func TestAPanicIsAnsweredAndLoggedOnce(t *testing.T) {
	var log lockedBuffer
	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI("/")
	gateway.Guarded(slog.New(slog.NewTextHandler(&log, nil)), func() { panic("as the test wants") })(&ctx)
	if body := string(ctx.Response.Body()); ctx.Response.StatusCode() != http.StatusInternalServerError || !strings.Contains(body, `{"detail":"Internal Server Error"}`) {
		t.Errorf("answered %d %s", ctx.Response.StatusCode(), body)
	}
	if n := strings.Count(log.String(), "as the test wants"); n != 1 {
		t.Errorf("the panic was logged %d times", n)
	}
}

func TestAStoreThatDoesNotAnswer(t *testing.T) {
	s := start(t, func(o *gateway.Options) { o.RequestTimeout = 300 * time.Millisecond })
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	embeddedtest.Close(t, s.nats)
	for _, a := range []answer{
		s.get(path), s.put("/projects/q"), s.put(path + "/cancel"),
		s.do(http.MethodPost, functionPath("p", "latest", "f")+"/invocations", wire.InvocationDefinition{Input: "1"}),
	} {
		a.failsWith(http.StatusServiceUnavailable, "did not answer in time")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: there is no Retry-After", a.what)
		}
	}
	s.as("").get("/").is(http.StatusOK, nil)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := gateway.New(gateway.Options{MaxBody: -1, Creators: -1})
	for _, want := range []string{"Store is missing", "Index is missing", "limits must be above 0", "Creators"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestRunListensAndEndsWithItsContext(t *testing.T) {
	s := start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	defer func() { _ = taken.Close() }()
	o := gateway.DefaultOptions()
	o.Store, o.Index, o.Listen = s.store, s.index, taken.Addr().String()
	g, err := gateway.New(o)
	s.must(err)
	if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot listen") {
		t.Errorf("on a port that is taken: %v", err)
	}

	o.Listen = ""
	if g, err = gateway.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	cancel()
	s.must(<-ended)
}

// A record that nobody has asked for and no dispatcher has made is made all the
// same, also when the backlog has no room and when the gateway closes first.
func TestRecordsAreMadeInTheBackground(t *testing.T) {
	for name, closing := range map[string]bool{"in time": false, "at the end": true} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *gateway.Options) { o.Creators, o.CreationBacklog = 1, 2 })
			p, _ := s.deploy("p", spec("f"))
			var keys []multinode.InvocationKey
			for range 10 {
				_, k := s.invoke(p, "f", "1")
				keys = append(keys, k)
			}
			if closing {
				s.must(s.serves.Close())
			}
			for _, k := range keys {
				s.eventually(func() bool {
					_, known, err := s.index.Get(k)
					return known && err == nil
				})
			}
		})
	}
}
