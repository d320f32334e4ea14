package order

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client is a Control at the other end of HTTP. It tries again where the way or
// the server fails for a moment.
type Client struct {
	url, ticket string
	// session is known to this process alone: what else finds the ticket is refused.
	session string
	http    *http.Client
	delay   time.Duration
}

// tries is how often a request is made in all; the delay doubles between them. That is
// five minutes: a gateway that is being replaced, or NATS out of reach, is not the build's
// end, and a build begun anew costs more than one that waits.
const (
	tries      = 36
	firstDelay = 250 * time.Millisecond
	maxDelay   = 10 * time.Second
)

// answerTimeout is how long the answer to one request may take to begin: longer than a
// gateway takes to give up.
const answerTimeout = time.Minute

// NewClient returns the client of a build. The URL is that of the Handler's path; the
// PEM text, which may be empty, has authorities besides those of the machine.
func NewClient(url, ticket, authorities string) (*Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	if authorities != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(authorities)) {
			return nil, errors.New("the authorities of the API are no PEM certificates")
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &Client{
		url: strings.TrimSuffix(url, "/") + "/", ticket: ticket, session: rand.Text(), delay: firstDelay,
		http: &http.Client{Transport: transport},
	}, nil
}

var _ Control = (*Client)(nil)

// Order asks what to build.
func (c *Client) Order(ctx context.Context) (o Order, err error) {
	answer, err := c.ask(ctx, http.MethodGet, "order", nil)
	if err != nil {
		return o, err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(&o); err != nil {
		return o, fmt.Errorf("reading the order: %w", err)
	}
	return o, nil
}

// Bundle opens the code.
func (c *Client) Bundle(ctx context.Context) (io.ReadCloser, error) {
	return c.ask(ctx, http.MethodGet, "bundle", nil)
}

// Progress tells lines.
func (c *Client) Progress(ctx context.Context, lines []string) error {
	return c.tell(ctx, http.MethodPost, "progress", lines)
}

// Report tells how the build ended.
func (c *Client) Report(ctx context.Context, r Report) error {
	return c.tell(ctx, http.MethodPut, "report", r)
}

func (c *Client) tell(ctx context.Context, method, what string, content any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	answer, err := c.ask(ctx, method, what, body)
	if err != nil {
		return err
	}
	return answer.Close()
}

func (c *Client) ask(ctx context.Context, method, what string, body []byte) (io.ReadCloser, error) {
	delay := c.delay
	for try := 1; ; try++ {
		answer, again, err := c.once(ctx, method, what, body)
		if err == nil || !again || try == tries || ctx.Err() != nil {
			return answer, err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		delay = min(2*delay, maxDelay)
	}
}

// once makes one request. It tells whether another try may do better.
func (c *Client) once(ctx context.Context, method, what string, body []byte) (content io.ReadCloser, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+what, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Authorization", "Bearer "+c.ticket)
	request.Header.Set(SessionHeader, c.session)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, true, fmt.Errorf("asking the control plane for the %s: %w", what, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, false, nil
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusGone:
		return nil, false, ErrOver
	case http.StatusUnauthorized:
		return nil, false, ErrTicket
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
	return nil, answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests,
		fmt.Errorf("the control plane answered %d to the build's %s: %s", answer.StatusCode, what, strings.TrimSpace(string(text)))
}
