package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"

	"multinode"
	"multinode/images/order"
	"multinode/streams"
)

// buildPath is where builds of images, which run in containers, get their orders.
// It is no part of the API for people.
const buildPath = "/build/"

// bundleTimeout bounds the transfer of a bundle to a build.
const bundleTimeout = 15 * time.Minute

// registerBuilds serves builds: with a ticket in the place of an API key.
func (g *Gateway) registerBuilds(app *fiber.App) {
	h := &order.Handler{
		Path: buildPath, Secret: g.store.BuildSecret(), Desk: desk{g.store}, Logger: g.log,
	}
	serve := func(c fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(context.Background(), g.options.RequestTimeout)
		if strings.HasSuffix(c.Path(), "bundle") { // it is sent after this function has returned
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), bundleTimeout)
		}
		var body io.Reader = bytes.NewReader(c.Request().Body())
		if c.Request().IsBodyStream() {
			body = c.RequestCtx().RequestBodyStream()
		}
		a := h.Answer(ctx, order.Request{
			Method: c.Method(), Path: c.Path(), Authorization: strings.Clone(c.Get(fiber.HeaderAuthorization)),
			Session: strings.Clone(c.Get(order.SessionHeader)), Body: body,
		})
		c.Status(a.Status)
		c.Set(fiber.HeaderCacheControl, "no-store")
		if a.Type != "" {
			c.Set(fiber.HeaderContentType, a.Type)
		}
		if a.Body == nil {
			cancel()
			return nil
		}
		return c.SendStream(&closing{a.Body, cancel})
	}
	app.Get(buildPath+"*", serve)
	app.Post(buildPath+"*", serve)
	app.Put(buildPath+"*", serve)
}

// closing ends the context of an answer together with it.
type closing struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *closing) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// desk is the control plane's side of builds. What it knows of them is in the store.
type desk struct{ store *streams.Store }

// build returns the attempt that the ticket is for, if it is still wanted and this
// session's.
func (d desk) build(ctx context.Context, t order.Ticket) (streams.BuildKey, streams.Build, error) {
	k := streams.BuildKey{Project: t.Project, Generation: t.Generation, Version: t.Version}
	build, err := d.store.Build(ctx, k)
	if errors.Is(err, streams.ErrNotFound) || err == nil && build.Attempt != t.Attempt {
		return k, build, order.ErrOver
	}
	if err == nil && !bytes.Equal(build.Session, sessionHash(t)) {
		err = order.ErrTicket
	}
	return k, build, err
}

func sessionHash(t order.Ticket) []byte {
	sum := sha256.Sum256([]byte(t.Session))
	return sum[:]
}

// version returns what is being built.
func (d desk) version(ctx context.Context, t order.Ticket) (multinode.Version, error) {
	v, err := d.store.Version(ctx, multinode.Project{Name: t.Project, Generation: t.Generation}, t.Version)
	if errors.Is(err, streams.ErrNotFound) {
		err = order.ErrOver
	}
	return v, err
}

// Order binds the attempt to the first session that asks. Once that has got the code, which
// runs beside it and may listen to what it sends, nobody gets the order.
func (d desk) Order(ctx context.Context, t order.Ticket) (order.Order, error) {
	k := streams.BuildKey{Project: t.Project, Generation: t.Generation, Version: t.Version}
	bound, err := d.store.BindBuild(ctx, k, t.Attempt, sessionHash(t))
	if errors.Is(err, streams.ErrNotFound) {
		return order.Order{}, order.ErrOver
	}
	if err == nil && !bound {
		err = order.ErrTicket
	}
	if err != nil {
		return order.Order{}, err
	}
	_, build, err := d.build(ctx, t)
	if err == nil && build.Opened {
		err = order.ErrTicket
	}
	if err != nil {
		return order.Order{}, err
	}
	var what order.Order
	if err := json.Unmarshal(build.Order, &what); err != nil {
		return order.Order{}, err
	}
	v, err := d.version(ctx, t)
	if err == nil {
		what.Environment, err = d.store.VersionEnvironment(ctx, v)
	}
	return what, err
}

// Bundle opens the code.
func (d desk) Bundle(ctx context.Context, t order.Ticket) (io.ReadCloser, error) {
	k, _, err := d.build(ctx, t)
	if err != nil {
		return nil, err
	}
	v, err := d.version(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := d.store.OpenBuild(ctx, k, t.Attempt); errors.Is(err, streams.ErrNotFound) {
		return nil, order.ErrOver
	} else if err != nil {
		return nil, err
	}
	return d.store.Bundle(ctx, v.Bundle)
}

// Progress passes lines on to whoever watches the version.
func (d desk) Progress(ctx context.Context, t order.Ticket, lines []string) error {
	if _, _, err := d.build(ctx, t); err != nil {
		return err
	}
	v, err := d.version(ctx, t)
	if err != nil {
		return err
	}
	for _, line := range lines {
		d.store.ReportProgress(v, line)
	}
	return nil
}

// Report stores the result for the dispatcher that waits for it.
func (d desk) Report(ctx context.Context, t order.Ticket, r order.Report) error {
	k, _, err := d.build(ctx, t)
	if err != nil {
		return err
	}
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = d.store.ReportBuild(ctx, k, t.Attempt, content)
	if errors.Is(err, streams.ErrNotFound) {
		err = order.ErrOver
	}
	return err
}

var _ order.Desk = desk{}
