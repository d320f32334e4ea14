package runner

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// FuzzFrames: what the user's code may write to the event pipe is either frames
// or an error, and a size alone allocates no more than the largest frame.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, frame{frameReady, nil}), frame{frameOutput, []byte("1")}))
	f.Add(appendFrame(nil, frame{frameError, []byte(`{"kind":"failed","message":"no"}`)}))
	f.Add(binary.BigEndian.AppendUint32([]byte{byte(frameYield)}, maxFrame+1))
	f.Add(binary.BigEndian.AppendUint32([]byte{byte(frameYield)}, 3))
	f.Add([]byte("print"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		var again []byte
		for {
			read, err := readFrame(r)
			if err == nil {
				again = appendFrame(again, read)
				continue
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errFrame) {
				t.Error(err)
			}
			if errors.Is(err, io.EOF) && !bytes.Equal(again, data) {
				t.Errorf("%q was read as %q", data, again)
			}
			break
		}
		if !bytes.HasPrefix(data, again) {
			t.Errorf("%q was read as %q", data, again)
		}
	})
}
