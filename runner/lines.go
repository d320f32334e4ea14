package runner

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// readLines cuts what it reads into lines and delivers each as soon as it is
// complete, without its line feed and a carriage return before it. What is
// longer than size bytes is delivered in pieces; what is not UTF-8 is replaced;
// a last line needs no line feed. It returns when r ends, for whatever reason.
func readLines(r io.Reader, size int, deliver func(line string)) {
	buffer := make([]byte, size)
	filled := 0
	// cut: the line's beginning has been delivered already.
	cut := false
	for {
		n, err := r.Read(buffer[filled:])
		filled += n
		rest := buffer[:filled]
		for {
			line, after, found := bytes.Cut(rest, []byte("\n"))
			if !found {
				break
			}
			if !cut || len(line) > 0 {
				deliver(clean(bytes.TrimSuffix(line, []byte("\r"))))
			}
			rest, cut = after, false
		}
		if len(rest) == size {
			whole := wholeRunes(rest)
			deliver(clean(rest[:whole]))
			rest, cut = rest[whole:], true
		}
		filled = copy(buffer, rest)
		if err != nil {
			if filled > 0 {
				deliver(clean(buffer[:filled]))
			}
			return
		}
	}
}

// wholeRunes returns the length of b without a character that is cut off at its
// end; all of b where there is no telling.
func wholeRunes(b []byte) int {
	for back := 1; back <= utf8.UTFMax && back < len(b); back++ {
		if start := len(b) - back; utf8.RuneStart(b[start]) {
			if utf8.FullRune(b[start:]) {
				return len(b)
			}
			return start
		}
	}
	return len(b)
}

func clean(b []byte) string { return strings.ToValidUTF8(string(b), "�") }
