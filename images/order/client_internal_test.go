package order

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A gateway that is away for minutes is waited for: 20 tries take more than two.
func TestAGatewayThatIsAwayForAWhile(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked <= 20 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusGone)
	}))
	defer s.Close()
	c, err := NewClient(s.URL, string(bytes.Repeat([]byte("t"), 10)), "")
	if err != nil {
		t.Fatal(err)
	}
	c.delay = 1 // of a nanosecond: doubled 20 times that is one millisecond
	if _, err := c.Order(t.Context()); !errors.Is(err, ErrOver) {
		t.Errorf("%v after %d requests", err, asked)
	}
}
