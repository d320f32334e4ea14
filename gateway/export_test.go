package gateway

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"multinode/streams"
)

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
