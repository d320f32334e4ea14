package runner

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"multinode"
)

// The frames between runner and harness; the harness's package documentation
// describes them. A frame is its kind, its length in four bytes, and its body.
type frameKind byte

const (
	frameAssignment  frameKind = 'A'
	frameInput       frameKind = 'I'
	frameReady       frameKind = 'R'
	frameStarted     frameKind = 'S'
	frameYield       frameKind = 'Y'
	frameInterrupted frameKind = 'X'
	frameOutput      frameKind = 'O'
	frameError       frameKind = 'E'
)

const (
	frameHeader = 5
	// maxFrame is more than the harness ever sends: MaxOutput code points take at
	// most four bytes each.
	maxFrame = 4*multinode.MaxOutput + 1<<10
)

type frame struct {
	kind frameKind
	body []byte
}

// errFrame means that the events cannot be understood. Only the harness writes
// to that pipe, unless the user's code does.
var errFrame = errors.New("the harness's event pipe carried something that is not an event; user code must not write to file descriptor 4")

// readFrame returns io.EOF only between two frames.
func readFrame(r io.Reader) (frame, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	f := frame{kind: frameKind(header[0])}
	switch f.kind {
	case frameReady, frameStarted, frameYield, frameInterrupted, frameOutput, frameError:
	default:
		return frame{}, fmt.Errorf("%w (kind %q)", errFrame, header[0])
	}
	size := binary.BigEndian.Uint32(header[1:])
	if size > maxFrame {
		return frame{}, fmt.Errorf("%w (%d bytes)", errFrame, size)
	}
	f.body = make([]byte, size)
	if _, err := io.ReadFull(r, f.body); err != nil {
		return frame{}, io.ErrUnexpectedEOF
	}
	return f, nil
}

func appendFrame(to []byte, f frame) []byte {
	to = append(to, byte(f.kind))
	to = binary.BigEndian.AppendUint32(to, uint32(len(f.body)))
	return append(to, f.body...)
}

// commands returns all that the harness is ever told.
func commands(projectDir string, a multinode.Assignment) ([]byte, error) {
	body, err := json.Marshal(struct {
		ProjectDir   string            `json:"project_dir"`
		FunctionName string            `json:"function_name"`
		Environment  map[string]string `json:"environment"`
	}{projectDir, a.Key.Invocation.Function, a.Environment})
	if err != nil {
		return nil, err
	}
	return appendFrame(appendFrame(nil, frame{frameAssignment, body}), frame{frameInput, a.Input}), nil
}

// errorBody is the body of an error frame.
type errorBody struct {
	// Kind is "cancelled" or "timed_out" where the error is the interrupt itself,
	// and else "failed".
	Kind    string `json:"kind"`
	Message string `json:"message"`
}
