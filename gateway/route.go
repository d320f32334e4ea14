package gateway

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"

	"multinode/streams"
	"multinode/wire"
)

// route is one line of the table of paths.
type route struct {
	method string
	// path has its parameters in braces, as OpenAPI writes them.
	path string
	// id and summary name the route in the OpenAPI document.
	id, summary string
	// role is what the caller's key needs; empty means that no key is needed.
	role streams.Role
	// timeout replaces Options.RequestTimeout.
	timeout time.Duration
	errors  []*wire.Error
	// refusals says by status what else may be answered.
	refusals map[int]string
	endpoint
}

// endpoint is a handler with the types of what goes in and out of it.
type endpoint struct {
	serve func(context.Context, *Gateway, *call) error
	// body, query, response and events are values of the types, nil for none.
	body, query, response any
	// header names a header that the handler reads.
	header string
	// rawBody is the content type of a body that is not JSON.
	rawBody string
	events  map[string]any
}

// answers makes an endpoint of a handler that takes nothing but the path.
func answers[R any](handle func(*Gateway, context.Context, *call) (R, error)) endpoint {
	return endpoint{
		response: *new(R),
		serve: func(ctx context.Context, g *Gateway, c *call) error {
			result, err := handle(g, ctx, c)
			if err != nil {
				return err
			}
			return answer(c.http, http.StatusOK, result)
		},
	}
}

// takes makes an endpoint of a handler that takes a JSON body.
func takes[B, R any](handle func(*Gateway, context.Context, *call, B) (R, error)) endpoint {
	e := answers(func(g *Gateway, ctx context.Context, c *call) (R, error) {
		var body B
		if err := c.decodeBody(g.options.MaxBody, &body); err != nil {
			return *new(R), err
		}
		return handle(g, ctx, c, body)
	})
	e.body = *new(B)
	return e
}

// asks makes an endpoint of a handler that takes query parameters.
func asks[Q, R any](handle func(*Gateway, context.Context, *call, Q) (R, error)) endpoint {
	e := answers(func(g *Gateway, ctx context.Context, c *call) (R, error) {
		var query Q
		if err := c.decodeQuery(&query); err != nil {
			return *new(R), err
		}
		return handle(g, ctx, c, query)
	})
	e.query = *new(Q)
	return e
}

// register makes fiber serve the route.
func (g *Gateway) register(app *fiber.App, r *route) {
	path, params := fiberPath(r.path)
	timeout := r.timeout
	if timeout == 0 {
		timeout = g.options.RequestTimeout
	}
	app.Add([]string{r.method}, path, func(c fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return g.serve(ctx, r, &call{http: c}, params)
	})
}

func (g *Gateway) serve(ctx context.Context, r *route, c *call, params []string) error {
	if err := c.readNames(params); err != nil {
		return err
	}
	if r.role != "" {
		grant, err := g.authenticate(ctx, c.http.Get(fiber.HeaderAuthorization))
		if err != nil {
			return err
		}
		c.grant = grant
		if err := c.authorize(r.role); err != nil {
			return err
		}
	}
	return r.serve(ctx, g, c)
}

// fiberPath turns "/a/{b}" into "/a/:b" and the names of its parameters.
func fiberPath(path string) (string, []string) {
	var params []string
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			params = append(params, name)
			parts[i] = ":" + name
		}
	}
	return strings.Join(parts, "/"), params
}

// guard answers errors and panics in one place, and keeps the access log. What
// is logged are paths, never headers or bodies.
func (g *Gateway) guard(c fiber.Ctx) (err error) {
	began := time.Now()
	defer func() {
		if cause := recover(); cause != nil {
			g.logPanic(cause, c.Method(), c.Path())
			c.Response().ResetBody()
			err = answer(c, http.StatusInternalServerError, wire.ErrorBody{Detail: "Internal Server Error"})
		}
		g.log.Debug("request", "method", c.Method(), "path", c.Path(),
			"status", c.Response().StatusCode(), "duration", time.Since(began))
	}()
	if err := c.Next(); err != nil {
		return g.answerError(c, err)
	}
	return nil
}

func (g *Gateway) logPanic(cause any, method, path string) {
	g.log.Error("a handler panicked", "method", method, "path", path, "cause", cause, "stack", string(debug.Stack()))
}
