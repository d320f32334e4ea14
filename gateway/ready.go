package gateway

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v3"

	"multinode/wire"
)

// ready tells load balancers whether to send requests here. A gateway that is not
// ready answers them all the same, as well as it can.
func (g *Gateway) ready(context.Context, *call) (wire.HealthStatus, error) {
	switch {
	case g.draining.Load():
		return wire.HealthStatus{}, &problem{status: http.StatusServiceUnavailable, detail: "The gateway is about to stop"}
	case g.options.Connected != nil && !g.options.Connected():
		return wire.HealthStatus{}, &problem{status: http.StatusServiceUnavailable, detail: "The gateway has no connection to NATS"}
	}
	return wire.HealthStatus{Status: "ready"}, nil
}

// Drain makes the gateway say that it is not ready, and close each connection
// behind its answer. It goes on serving until Close.
func (g *Gateway) Drain() { g.draining.Store(true) }

// leave asks clients of a draining gateway to come back over a new connection,
// which a load balancer makes elsewhere.
func (g *Gateway) leave(c fiber.Ctx) error {
	if g.draining.Load() {
		c.RequestCtx().SetConnectionClose()
	}
	return c.Next()
}
