// Package client speaks the REST API of a Multinode server: typed calls over
// net/http, errors by the contract, retries where a repeat does no harm, and
// readers of its event streams that survive a broken connection.
//
// Every method takes a context and gives up when it ends. A Client may be used
// by many goroutines.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of what is read from a server, in bytes.
const (
	maxBody  = 32 << 20
	maxError = 1 << 20
)

// callTimeout bounds one try of a call that is answered at once.
const callTimeout = 30 * time.Second

// Options say where the server is and how to get in.
type Options struct {
	// URL is the server's address, such as http://127.0.0.1:8470.
	URL string
	// Key is the API key, sent as a bearer token; empty sends none.
	Key string
	// UserAgent names the caller; empty means "multinode-go".
	UserAgent string
	// Retry says how calls are repeated; the zero value means DefaultRetry.
	Retry Retry
	// HTTP sends the requests; nil means a client of its own. Its Timeout must be
	// zero, as event streams have no end in sight.
	HTTP *http.Client
}

// Client is a connection to a server. Make one with New.
type Client struct {
	base  string
	key   string
	agent string
	retry Retry
	http  *http.Client
}

// New checks the options; it does not contact the server.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", o.URL, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("server address %q: want http://HOST:PORT or https://HOST", o.URL)
	}
	c := &Client{
		base:  strings.TrimRight(base.Scheme+"://"+base.Host+base.EscapedPath(), "/"),
		key:   o.Key,
		agent: o.UserAgent,
		retry: o.Retry,
		http:  o.HTTP,
	}
	if c.agent == "" {
		c.agent = "multinode-go"
	}
	if c.retry == (Retry{}) {
		c.retry = DefaultRetry
	}
	if c.http == nil {
		c.http = &http.Client{Transport: transport()}
	}
	return c, nil
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.MaxIdleConnsPerHost = 64
	return t
}

// URL is the server's address, without a slash at its end.
func (c *Client) URL() string { return c.base }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Health asks whether the server is up; it needs no key.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, request{op: "check health", method: http.MethodGet, path: "/", repeat: true}, nil)
}

// request is one call, described so that it can be sent more than once.
type request struct {
	op      string // for errors: "get project"
	method  string
	path    string // escaped, from the slash on
	query   url.Values
	header  http.Header
	body    any                           // sent as JSON, unless stream is set
	stream  func() (io.ReadCloser, error) // opened anew for each try
	size    int64                         // of stream
	repeat  bool                          // a repeat does no harm
	timeout time.Duration                 // of one try; 0 means callTimeout, -1 none
}

// call sends a request and decodes the answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	return c.retry.do(ctx, r.repeat, func() error {
		if r.timeout >= 0 {
			limit := r.timeout
			if limit == 0 {
				limit = callTimeout
			}
			tryCtx, cancel := context.WithTimeoutCause(ctx, limit, noAnswerError{limit})
			defer cancel()
			return c.try(tryCtx, r, out)
		}
		return c.try(ctx, r, out)
	})
}

func (c *Client) try(ctx context.Context, r request, out any) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxError)) // so that the connection is used again
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return c.broken(ctx, r.op, err)
	}
	if len(body) > maxBody {
		return fmt.Errorf("%s: the answer is larger than %d MiB", r.op, maxBody>>20)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: the answer is not of a Multinode server (is %s the right address?): %w", r.op, c.base, err)
	}
	return nil
}

// send makes one try. Its answer is a success; the caller closes the body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.op, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(ctx, r.op, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, answerError(r.op, resp)
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	contentType := ""
	switch {
	case r.stream != nil:
		opened, err := r.stream()
		if err != nil {
			return nil, err
		}
		body, contentType = opened, "application/gzip"
	case r.body != nil:
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	if r.stream != nil {
		req.ContentLength = r.size
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.agent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	return req, nil
}

// broken explains a failure below HTTP.
func (c *Client) broken(ctx context.Context, op string, err error) error {
	var slow noAnswerError
	if cause := context.Cause(ctx); errors.As(cause, &slow) {
		return &UnreachableError{Op: op, URL: c.base, Err: slow}
	} else if cause != nil {
		return fmt.Errorf("%s: %w", op, cause)
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // the address and the method say nothing new
	}
	return &UnreachableError{Op: op, URL: c.base, Err: err}
}

type noAnswerError struct{ after time.Duration }

func (e noAnswerError) Error() string { return fmt.Sprintf("no answer within %v", e.after) }
