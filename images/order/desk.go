package order

import (
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
	maxReport   = 16 << 20
)

// Desk is what the control plane does for builders. Each method first sees whether
// the version is still being prepared under the ticket's attempt, else it returns
// ErrOver. Report may come twice with the same.
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

// ServeHTTP takes the version from the ticket, and nothing else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	text, _ := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	ticket, err := Check(h.Secret, text, now())
	if err == nil {
		err = h.serve(w, request, ticket)
	}
	var bad *requestError
	switch {
	case err == nil:
	case errors.Is(err, ErrTicket):
		http.Error(w, err.Error(), http.StatusUnauthorized)
	case errors.Is(err, ErrOver):
		http.Error(w, err.Error(), http.StatusGone)
	case errors.As(err, &bad):
		http.Error(w, bad.text, bad.status)
	default:
		if h.Logger != nil {
			h.Logger.Error("a request of a build failed", "version", ticket.Version, "path", request.URL.Path, "error", err)
		}
		http.Error(w, "the server had a problem", http.StatusInternalServerError)
	}
}

func (h *Handler) serve(w http.ResponseWriter, request *http.Request, t Ticket) error {
	ctx := request.Context()
	what, _ := strings.CutPrefix(request.URL.Path, h.Path)
	switch request.Method + " " + what {
	case "GET order":
		o, err := h.Desk.Order(ctx, t)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		return json.NewEncoder(w).Encode(o)
	case "GET bundle":
		content, err := h.Desk.Bundle(ctx, t)
		if err != nil {
			return err
		}
		defer content.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		if _, err := io.Copy(w, content); err != nil {
			panic(http.ErrAbortHandler) // half of it must not look like all of it
		}
		return nil
	case "POST progress":
		var lines []string
		if err := read(request, maxProgress, &lines); err != nil {
			return err
		}
		return h.Desk.Progress(ctx, t, lines)
	case "PUT report":
		var r Report
		if err := read(request, maxReport, &r); err != nil {
			return err
		}
		if (r.Failure == "") != (r.Image != "" && len(r.Functions) > 0) {
			return &requestError{http.StatusBadRequest, "a report has functions and an image, or a failure"}
		}
		for _, f := range r.Functions {
			if err := f.Validate(); err != nil {
				return &requestError{http.StatusBadRequest, err.Error()}
			}
		}
		return h.Desk.Report(ctx, t, r)
	}
	return &requestError{http.StatusNotFound, "there is nothing at this path"}
}

type requestError struct {
	status int
	text   string
}

func (b *requestError) Error() string { return b.text }

func read(request *http.Request, limit int64, to any) error {
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
