package registry

import (
	"io"
	"net/http"
)

const (
	// leftFree is what uploads leave of the room on the disk, in bytes.
	leftFree = 1 << 30
	// measureEvery is how much comes in between two looks at the disk, in bytes.
	measureEvery = 16 << 20
)

var errNoRoom = &protocolError{http.StatusInsufficientStorage, "DENIED", "the disk of the registry of images is nearly full: make room on it"}

// roomy reads an upload as long as there is room for it.
type roomy struct {
	io.Reader
	room func() (int64, error)
	left int // until the next look
}

func (r *roomy) Read(p []byte) (int, error) {
	if r.left <= 0 {
		if room, err := r.room(); err != nil {
			return 0, err
		} else if room < leftFree {
			return 0, errNoRoom
		}
		r.left = measureEvery
	}
	n, err := r.Reader.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
