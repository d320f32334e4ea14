package order_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"multinode"
	"multinode/images/order"
)

var secret = bytes.Repeat([]byte("s"), 32)

var ticket = order.Ticket{Project: "p", Generation: "g", Version: "v1", Attempt: "a1", Expires: time.Now().Add(time.Hour).UTC()}

// desk has one version.
type desk struct {
	over    bool
	session []string
	asked   order.Ticket
	lines   []string
	report  order.Report
	order   order.Order
}

func (d *desk) check(t order.Ticket) error {
	d.session = append(d.session, t.Session)
	t.Session = ""
	d.asked = t
	if d.over {
		return order.ErrOver
	}
	return nil
}

func (d *desk) Order(_ context.Context, t order.Ticket) (order.Order, error) {
	return d.order, d.check(t)
}

func (d *desk) Bundle(_ context.Context, t order.Ticket) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("the bundle")), d.check(t)
}

func (d *desk) Progress(_ context.Context, t order.Ticket, lines []string) error {
	d.lines = append(d.lines, lines...)
	return d.check(t)
}

func (d *desk) Report(_ context.Context, t order.Ticket, r order.Report) error {
	d.report = r
	return d.check(t)
}

func serve(t *testing.T, d *desk) string {
	t.Helper()
	s := httptest.NewServer(&order.Handler{Path: "/build/", Secret: secret, Desk: d})
	t.Cleanup(s.Close)
	return s.URL + "/build/"
}

func client(t *testing.T, url, ticket string) *order.Client {
	t.Helper()
	c, err := order.NewClient(url, ticket, "")
	must(t, err)
	return c
}

func signed(t *testing.T, one order.Ticket) string {
	t.Helper()
	text, err := one.Sign(secret)
	must(t, err)
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var functions = []multinode.FunctionSpec{{Name: "f", CPU: 1, MemoryGiB: 1, MaxConcurrency: 1, Timeout: time.Minute}}

func TestFromOrderToReport(t *testing.T) {
	d := &desk{order: order.Order{
		Bundle: "digest", Environment: map[string]string{"A": "b"}, Base: "base@sha256:0", Platform: "linux/amd64", Repository: "r/p",
		Credentials: map[string]order.Credential{"r": {Username: "u", Password: "p"}}, Insecure: true, Labels: map[string]string{"project": "p"},
	}}
	c := client(t, serve(t, d), signed(t, ticket))
	got, err := c.Order(t.Context())
	if err != nil || !reflect.DeepEqual(got, d.order) || d.asked != ticket {
		t.Errorf("%+v, %v, asked for %+v", got, err, d.asked)
	}
	content, err := c.Bundle(t.Context())
	must(t, err)
	if text, err := io.ReadAll(content); err != nil || string(text) != "the bundle" {
		t.Errorf("%q, %v", text, err)
	}
	must(t, c.Progress(t.Context(), []string{"one", "two"}))
	report := order.Report{Functions: functions, Image: "r/p@sha256:0", Base: "sha256:1"}
	must(t, c.Report(t.Context(), report))
	if first := d.session[0]; len(first) < 20 || slices.ContainsFunc(d.session, func(s string) bool { return s != first }) {
		t.Errorf("one builder calls itself %q", d.session)
	}
	if strings.Join(d.lines, " ") != "one two" || !reflect.DeepEqual(d.report, report) {
		t.Errorf("%q, %+v", d.lines, d.report)
	}
	d.over = true
	if err := c.Report(t.Context(), report); !errors.Is(err, order.ErrOver) {
		t.Error(err)
	}
	if _, err := c.Bundle(t.Context()); !errors.Is(err, order.ErrOver) {
		t.Error(err)
	}
}

func TestForgedTickets(t *testing.T) {
	d := &desk{}
	url := serve(t, d)
	good := signed(t, ticket)
	other := ticket
	other.Version = "v2"
	payload, _, _ := strings.Cut(signed(t, other), ".")
	_, signature, _ := strings.Cut(good, ".")
	old := ticket
	old.Expires = time.Now().Add(-time.Second)
	foreign, err := ticket.Sign(bytes.Repeat([]byte("x"), 32))
	must(t, err)
	for name, text := range map[string]string{
		"none": "", "other version": payload + "." + signature, "expired": signed(t, old), "foreign secret": foreign,
		"no signature": payload + ".", "cut": good[:len(good)-4], "nonsense": "....",
	} {
		if _, err := client(t, url, text).Order(t.Context()); !errors.Is(err, order.ErrTicket) || d.asked != (order.Ticket{}) {
			t.Errorf("%s: %v, the desk was asked for %+v", name, err, d.asked)
		}
	}
	if _, err := ticket.Sign(nil); err == nil {
		t.Error("signed without a secret")
	}
	if _, err := order.Check(nil, good, time.Now()); !errors.Is(err, order.ErrTicket) {
		t.Error(err)
	}
}

func TestMalformedReports(t *testing.T) {
	d := &desk{}
	url := serve(t, d)
	bad := order.Report{Functions: []multinode.FunctionSpec{{Name: ""}}, Image: "x"}
	for name, r := range map[string]order.Report{
		"nothing": {}, "both": {Functions: functions, Image: "x", Failure: "y"}, "no functions": {Image: "x"}, "no image": {Functions: functions}, "invalid": bad,
	} {
		if err := client(t, url, signed(t, ticket)).Report(t.Context(), r); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d.asked != (order.Ticket{}) {
		t.Error("the desk got one")
	}
	request, err := http.NewRequest(http.MethodPost, url+"progress", strings.NewReader(strings.Repeat(" ", 1<<20+1)))
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+signed(t, ticket))
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(answer.Status)
	}
}

func TestTroubleIsTriedAgain(t *testing.T) {
	d := &desk{order: order.Order{Bundle: "digest"}}
	h := &order.Handler{Path: "/", Secret: secret, Desk: d}
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if asked.Add(1) == 1 {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, request)
	}))
	defer s.Close()
	got, err := client(t, s.URL, signed(t, ticket)).Order(t.Context())
	if err != nil || got.Bundle != "digest" || asked.Load() != 2 {
		t.Errorf("%+v, %v after %d requests", got, err, asked.Load())
	}
}
