package order

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Limits of what a builder says, in bytes.
const (
	maxProgress = 1 << 20
	maxReport   = 6 << 20 // it is stored as one message
)

// SessionHeader carries Ticket.Session.
const SessionHeader = "Multinode-Build-Session"

// Desk is what the control plane does for builders. Each method first sees whether
// the version is still being prepared under the ticket's attempt, else it returns
// ErrOver, and whether the attempt is this session's: Order binds it to the first
// one, and all else is ErrTicket. Report may come twice with the same.
type Desk interface {
	Order(ctx context.Context, t Ticket) (Order, error)
	Bundle(ctx context.Context, t Ticket) (io.ReadCloser, error)
	Progress(ctx context.Context, t Ticket, lines []string) error
	Report(ctx context.Context, t Ticket, r Report) error
}

// Handler serves a desk below a path that ends with a slash, such as "/build/".
type Handler struct {
	Path   string
	Secret []byte
	Desk   Desk
	Logger *slog.Logger
	// Now is the machine's clock by default.
	Now func() time.Time
}

// Request is what a builder asks, whatever server it came through.
type Request struct {
	Method, Path  string
	Authorization string
	Session       string
	Body          io.Reader
}

// Answer is what it gets.
type Answer struct {
	Status int
	// Type is the content type.
	Type string
	// Body may be nil, and is to be closed.
	Body io.ReadCloser
}

// ServeHTTP serves the standard library's server.
func (h *Handler) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	a := h.Answer(request.Context(), Request{
		Method: request.Method, Path: request.URL.Path, Authorization: request.Header.Get("Authorization"),
		Session: request.Header.Get(SessionHeader), Body: request.Body,
	})
	w.Header().Set("Cache-Control", "no-store")
	if a.Type != "" {
		w.Header().Set("Content-Type", a.Type)
	}
	w.WriteHeader(a.Status)
	if a.Body == nil {
		return
	}
	defer a.Body.Close()
	if _, err := io.Copy(w, a.Body); err != nil {
		panic(http.ErrAbortHandler) // half of it must not look like all of it
	}
}

// Answer takes the version from the ticket, and nothing else.
func (h *Handler) Answer(ctx context.Context, request Request) Answer {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	text, _ := strings.CutPrefix(request.Authorization, "Bearer ")
	ticket, err := Check(h.Secret, text, now())
	var a Answer
	if err == nil {
		ticket.Session = request.Session
		a, err = h.answer(ctx, request, ticket)
	}
	var bad *requestError
	switch {
	case err == nil:
		return a
	case errors.Is(err, ErrTicket):
		return refusal(http.StatusUnauthorized, err.Error())
	case errors.Is(err, ErrOver):
		return refusal(http.StatusGone, err.Error())
	case errors.As(err, &bad):
		return refusal(bad.status, bad.text)
	}
	if h.Logger != nil {
		h.Logger.Error("a request of a build failed", "version", ticket.Version, "path", request.Path, "error", err)
	}
	return refusal(http.StatusInternalServerError, "the server had a problem")
}

func refusal(status int, text string) Answer {
	return Answer{Status: status, Type: "text/plain; charset=utf-8", Body: io.NopCloser(strings.NewReader(text + "\n"))}
}

func (h *Handler) answer(ctx context.Context, request Request, t Ticket) (Answer, error) {
	done := Answer{Status: http.StatusOK}
	what, _ := strings.CutPrefix(request.Path, h.Path)
	switch request.Method + " " + what {
	case "GET order":
		o, err := h.Desk.Order(ctx, t)
		if err != nil {
			return done, err
		}
		content, err := json.Marshal(o)
		return Answer{http.StatusOK, "application/json", io.NopCloser(bytes.NewReader(content))}, err
	case "GET bundle":
		content, err := h.Desk.Bundle(ctx, t)
		return Answer{http.StatusOK, "application/octet-stream", content}, err
	case "POST progress":
		var lines []string
		if err := read(request, maxProgress, &lines); err != nil {
			return done, err
		}
		return done, h.Desk.Progress(ctx, t, lines)
	case "PUT report":
		var r Report
		if err := read(request, maxReport, &r); err != nil {
			return done, err
		}
		if err := r.check(); err != nil {
			return done, err
		}
		return done, h.Desk.Report(ctx, t, r)
	}
	return done, &requestError{http.StatusNotFound, "there is nothing at this path"}
}

// check refuses what no builder reports.
func (r Report) check() error {
	ends := 0
	for _, end := range []bool{r.Failure != "", r.Trouble != "", r.Image != "" && len(r.Functions) > 0} {
		if end {
			ends++
		}
	}
	if ends != 1 {
		return &requestError{http.StatusBadRequest, "a report has functions and an image, a failure, or a trouble"}
	}
	for _, f := range r.Functions {
		if err := f.Validate(); err != nil {
			return &requestError{http.StatusBadRequest, err.Error()}
		}
	}
	return nil
}

type requestError struct {
	status int
	text   string
}

func (b *requestError) Error() string { return b.text }

func read(request Request, limit int64, to any) error {
	content, err := io.ReadAll(io.LimitReader(request.Body, limit+1))
	if err != nil {
		return &requestError{http.StatusBadRequest, "the request broke off"}
	}
	if int64(len(content)) > limit {
		return &requestError{http.StatusRequestEntityTooLarge, "the request is too large"}
	}
	if err := json.Unmarshal(content, to); err != nil {
		return &requestError{http.StatusBadRequest, "the request is malformed: " + err.Error()}
	}
	return nil
}
