package gateway

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"multinode"
	"multinode/streams"
)

// LagBehind has long-polls and event streams read records from a server that answers
// with what old returns, where that is ok.
func (o *Options) LagBehind(old func(multinode.InvocationKey) (multinode.Invocation, uint64, bool)) {
	store := o.Store
	o.record = func(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, uint64, error) {
		if record, revision, ok := old(k); ok {
			return record, revision, nil
		}
		return store.Record(ctx, k)
	}
}

// Waiters tells how many requests wait for news.
func (g *Gateway) Waiters() int { return len(g.waiters.all()) }

// RouteInfo is a line of the table of paths.
type RouteInfo struct {
	ID, Method, Path string
	Role             streams.Role
}

// Routes returns the table of paths.
func Routes() []RouteInfo {
	var table []RouteInfo
	for _, r := range routes(DefaultOptions()) {
		table = append(table, RouteInfo{r.id, r.method, r.path, r.role})
	}
	return table
}

// Guarded serves GET / by the function, in the way that every path is served.
func Guarded(log *slog.Logger, f func()) fasthttp.RequestHandler {
	g := &Gateway{log: log, options: DefaultOptions()}
	app := fiber.New(fiber.Config{ErrorHandler: g.answerError})
	app.Use(g.guard)
	g.register(app, &route{method: http.MethodGet, path: "/", endpoint: endpoint{
		serve: func(context.Context, *Gateway, *call) error {
			f()
			return nil
		},
	}})
	return app.Handler()
}
