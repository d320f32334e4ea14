package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v3"

	"multinode/streams"
	"multinode/streams/index"
	"multinode/wire"
)

// problem is an error that is no part of the contract's table: a client is not
// meant to tell it apart by its text.
type problem struct {
	status     int
	detail     string
	retryAfter time.Duration
	cause      error
}

func (p *problem) Error() string { return p.detail }
func (p *problem) Unwrap() error { return p.cause }

func refuse(status int, format string, args ...any) error {
	return &problem{status: status, detail: fmt.Sprintf(format, args...)}
}

// Seconds after which a refused client may try again.
const (
	retryUnavailable = time.Second
	retryFull        = 10 * time.Second
)

// maxDrained is how much is read of the body of a refused request, in bytes: a
// client that is cut off while it sends does not see the answer.
const maxDrained = 32 << 20

// answerError writes the answer that an error stands for. What is nobody's fault
// but ours is logged here and nowhere else.
func (g *Gateway) answerError(c fiber.Ctx, err error) error {
	var contract *wire.Error
	var shape *invalid
	var refused *problem
	var framework *fiber.Error
	if c.Request().IsBodyStream() {
		_, _ = io.CopyN(io.Discard, c.RequestCtx().RequestBodyStream(), maxDrained) // to its end, or to a client that is gone
	}
	switch {
	case errors.As(err, &contract):
		return answer(c, contract.Status, wire.ErrorBody{Detail: contract.Detail})
	case errors.As(err, &shape):
		return answer(c, http.StatusUnprocessableEntity, wire.ValidationBody{Detail: shape.violations})
	case errors.As(err, &refused):
	case errors.Is(err, streams.ErrFull):
		g.log.Warn("the store takes nothing more", "error", err)
		refused = &problem{
			status: http.StatusServiceUnavailable, retryAfter: retryFull,
			detail: "The store is full: it takes nothing new until space is freed on its disk",
		}
	case errors.Is(err, streams.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, index.ErrNotReady), errors.Is(err, index.ErrDamaged), errors.Is(err, index.ErrClosed):
		g.log.Warn("the store did not answer in time", "error", err)
		refused = &problem{
			status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
			detail: "The store did not answer in time. What was asked may or may not have been done; try again",
		}
	case errors.As(err, &framework):
		return answerFramework(c, framework)
	default:
		g.log.Error("a request failed", "method", c.Method(), "path", c.Path(), "error", err)
		refused = &problem{status: http.StatusInternalServerError, detail: "Internal Server Error"}
	}
	if refused.retryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(refused.retryAfter.Seconds())))
	}
	return answer(c, refused.status, wire.ErrorBody{Detail: refused.detail})
}

// answerFramework writes an error that fiber or fasthttp found by itself, such
// as an unknown path or a malformed request.
func answerFramework(c fiber.Ctx, err *fiber.Error) error {
	detail := http.StatusText(err.Code)
	if err.Code == http.StatusRequestHeaderFieldsTooLarge {
		detail = "The request's path and headers are too long"
	}
	return answer(c, err.Code, wire.ErrorBody{Detail: detail})
}
