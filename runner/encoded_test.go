package runner

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"multinode/streams"
)

func TestEncodedSize(t *testing.T) {
	var every strings.Builder
	for r := rune(0); r < 0x3000; r++ {
		every.WriteRune(r)
	}
	for _, text := range []string{"", "plain", "<&>\"\\\n\t\x00\x7fé€😀\uFFFD", every.String()} {
		data, err := json.Marshal(text)
		if err != nil || encodedSize(text) != len(data)-len(`""`) {
			t.Errorf("%d bytes, not the %d of %.50s: %v", encodedSize(text), len(data)-2, data, err)
		}
		var pieces strings.Builder
		for piece, rest := "", text; ; {
			piece, rest = cutEncoded(rest, 8)
			if encodedSize(piece) > 8 {
				t.Errorf("the piece %q is too long", piece)
			}
			pieces.WriteString(piece)
			if rest == "" {
				break
			}
		}
		if pieces.String() != text {
			t.Errorf("the pieces of %.50q are %.50q", text, pieces.String())
		}
	}
}

// TestALongLogIsKept: the server keeps so many batches of an execution, of so many
// bytes, and all that is printed in a day has to be in them.
func TestALongLogIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		link, book := startBook(t, limits)
		const perSecond, lines = 5, 24 * 60 * 60 * 5
		text := strings.Repeat("x", limits.LogBytes/lines-1)
		for range lines {
			book.add(streamStdout, text)
			time.Sleep(time.Second / perSecond)
		}
		book.close()
		<-book.done
		if batches, stored := link.stored(); stored != lines || batches > streams.LogBatches {
			t.Errorf("%d lines are stored in %d batches", stored, batches)
		}
	})
}

// TestABatchIsNeverTooLarge: whatever is printed.
func TestABatchIsNeverTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		link, book := startBook(t, limits)
		for _, text := range []string{strings.Repeat("\x01", limits.Line), strings.Repeat("😀<", limits.Line/5), ""} {
			for range 3000 {
				book.add(streamStdout, text)
				if text != "" {
					break
				}
			}
		}
		book.close()
		<-book.done
		if largest := link.largest; largest == 0 || largest > streams.MaxLogBatch {
			t.Errorf("a batch has %d bytes", largest)
		}
	})
}
