package client

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzEvents: however a stream is cut into reads, the same events come out of it.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: log\ndata: {}\n\n: comment\n\ndata: a\ndata: b\r\n\r\n"))
	f.Add([]byte("data\n\ndata:\n\nevent: x\n\n"))
	f.Add([]byte("data: broken off"))
	f.Add([]byte("\n\n\n:\nid: 1\nretry: x\n"))
	f.Add([]byte("data: " + strings.Repeat("x", 70<<10) + "\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, end := readAll(bytes.NewReader(stream))
		pieces, second := readAll(iotest.OneByteReader(bytes.NewReader(stream)))
		if whole != pieces || !errors.Is(second, end) {
			t.Errorf("read %q, %v in one go and %q, %v in pieces", whole, end, pieces, second)
		}
		if !errors.Is(end, io.EOF) && !errors.Is(end, io.ErrUnexpectedEOF) {
			t.Error(end)
		}
	})
}

func readAll(r io.Reader) (string, error) {
	var all strings.Builder
	s := newStreamReader(r, func() {})
	for {
		e, err := s.next()
		if err != nil {
			return all.String(), err
		}
		all.WriteString(e.name + "\x00" + string(e.data) + "\x01")
	}
}
