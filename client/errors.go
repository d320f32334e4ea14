package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"multinode/wire"
)

// Error is the server's refusal of a call.
type Error struct {
	// Op is what was tried, such as "get project".
	Op string
	// Status is that of HTTP.
	Status int
	// Name is the contract's, such as "ProjectDoesNotExist", or empty where the
	// contract names none.
	Name string
	// Detail is the server's text, in one line for each problem.
	Detail string
	// RetryAfter is how long the server asks to wait; 0 where it does not say.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (HTTP %d)", e.Op, e.Detail, e.Status)
}

// Unwrap gives the contract's error, so that errors.Is(err,
// wire.ProjectDoesNotExist) works.
func (e *Error) Unwrap() error {
	if known := wire.Find(e.Status, e.Detail); known != nil {
		return known
	}
	return nil
}

// UnreachableError says that no answer came from the server.
type UnreachableError struct {
	Op  string
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s: no answer from %s: %s", e.Op, e.URL, e.Reason())
}

// Reason is the cause in a few words.
func (e *UnreachableError) Reason() string {
	if errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return "the connection was closed"
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// answerError reads a refusal.
func answerError(op string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	e := &Error{Op: op, Status: resp.StatusCode, Detail: detail(body)}
	if e.Detail == "" {
		e.Detail = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	if known := wire.Find(e.Status, e.Detail); known != nil {
		e.Name = known.Name
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// detail reads {"detail": "text"} and {"detail": [{"loc": …, "msg": …}]}, and
// nothing of what others, such as a proxy between, may have sent.
func detail(body []byte) string {
	var answer struct {
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(answer.Detail, &text) == nil {
		return text
	}
	var problems []wire.Violation
	if json.Unmarshal(answer.Detail, &problems) != nil {
		return ""
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		where := make([]string, len(p.Location))
		for j, l := range p.Location {
			where[j] = fmt.Sprint(l)
		}
		lines[i] = strings.Join(where, ".") + ": " + p.Message
	}
	return strings.Join(lines, "\n")
}
