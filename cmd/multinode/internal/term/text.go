package term

import (
	"regexp"
	"strings"
	"unicode"
)

// OneLine makes text from elsewhere fit for a single line: line breaks become
// spaces, and control characters, which could move a terminal's cursor, go.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.TrimSpace(text))
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Printable makes a line of a program's output fit for a terminal: colours and
// tabs stay, what else could move the cursor goes, and of a line that was written
// over again the last state counts.
func Printable(line string) string {
	line = strings.TrimRight(line, "\r\n")
	line = line[strings.LastIndexByte(line, '\r')+1:]
	var b strings.Builder
	rest := 0
	for _, at := range colour.FindAllStringIndex(line, -1) {
		b.WriteString(withoutControls(line[rest:at[0]]))
		b.WriteString(line[at[0]:at[1]])
		rest = at[1]
	}
	b.WriteString(withoutControls(line[rest:]))
	return b.String()
}

func withoutControls(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
