package gateway

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
)

// Waiters tells how many requests wait for news.
func (g *Gateway) Waiters() int { return len(g.waiters) }

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
