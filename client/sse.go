package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxEvent bounds one event's data, in bytes: an invocation with input and
// output at their limits, every character escaped, and room to spare.
const maxEvent = 16 << 20

// event is one of a server-sent stream. An event without data is a sign of life
// that has a comment for its body; only streamReader.next sees those.
type event struct {
	name string
	data []byte
}

var errEventTooLarge = fmt.Errorf("an event is larger than %d MiB", maxEvent>>20)

// streamReader reads server-sent events, as in the HTML standard, but for "id"
// and "retry", which our streams do not use.
type streamReader struct {
	lines *bufio.Reader
	// alive is called for every line, comments included.
	alive func()
}

func newStreamReader(r io.Reader, alive func()) *streamReader {
	return &streamReader{lines: bufio.NewReaderSize(r, 64<<10), alive: alive}
}

// next returns the next event, io.EOF where the stream ended between two, and
// io.ErrUnexpectedEOF where it broke off within one.
func (s *streamReader) next() (event, error) {
	e := event{name: "message"}
	begun := false
	for {
		line, err := s.line()
		if err != nil {
			if errors.Is(err, io.EOF) && (begun || len(line) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return event{}, err
		}
		s.alive()
		if len(line) == 0 {
			if e.data != nil {
				return e, nil
			}
			e, begun = event{name: "message"}, false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.name, begun = string(value), true
		case "data":
			begun = true
			if len(e.data)+len(value) > maxEvent {
				return event{}, errEventTooLarge
			}
			if e.data != nil {
				e.data = append(e.data, '\n')
			} else {
				e.data = make([]byte, 0, len(value))
			}
			e.data = append(e.data, value...)
		}
	}
}

// line reads one line without its end, of a bounded length. The result is valid
// until the next call.
func (s *streamReader) line() ([]byte, error) {
	line, err := s.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := append([]byte(nil), line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = s.lines.ReadSlice('\n')
			if len(long)+len(line) > maxEvent {
				return nil, errEventTooLarge
			}
			long = append(long, line...)
		}
		line = long
	}
	if err != nil {
		return line, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
