package bundle

import (
	"regexp"
	"strings"
)

// translate turns a pattern of an ignore file into a regular expression. It is
// false for one that can never match, such as "[a" or a lone backslash at the
// end. Where the pattern is anchored, "**" between slashes spans folders.
func translate(pattern string, anchored bool) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; c {
		case '*':
			end := i
			for end < len(pattern) && pattern[end] == '*' {
				end++
			}
			spans := anchored && end-i > 1 &&
				(i == 0 || pattern[i-1] == '/') && (end == len(pattern) || pattern[end] == '/')
			switch {
			case !spans:
				out.WriteString("[^/]*")
			case end == len(pattern):
				out.WriteString(".*")
			default:
				out.WriteString("(?:.*/)?")
				end++ // the slash is part of it
			}
			i = end
		case '?':
			out.WriteString("[^/]")
			i++
		case '[':
			class, n, ok := translateClass(pattern[i:])
			if !ok {
				return "", false
			}
			out.WriteString(class)
			i += n
		case '\\':
			if i+1 == len(pattern) {
				return "", false
			}
			out.WriteString(regexp.QuoteMeta(pattern[i+1 : i+2]))
			i += 2
		default:
			out.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			i++
		}
	}
	return out.String(), true
}

// translateClass turns the bracket expression that text begins with into one of
// regexp that never matches a slash, and returns how long it was.
func translateClass(text string) (class string, n int, ok bool) {
	var out strings.Builder
	out.WriteByte('[')
	i := 1
	if i < len(text) && (text[i] == '!' || text[i] == '^') {
		out.WriteString("^/")
		i++
	}
	for first := true; ; first = false {
		if i >= len(text) {
			return "", 0, false
		}
		if text[i] == ']' && !first {
			break
		}
		if name, found := posixClass(text[i:]); found {
			out.WriteString(name)
			i += len(name)
			continue
		}
		low, next, ok := classByte(text, i)
		if !ok {
			return "", 0, false
		}
		i = next
		high := low
		if i+1 < len(text) && text[i] == '-' && text[i+1] != ']' {
			if high, i, ok = classByte(text, i+1); !ok {
				return "", 0, false
			}
		}
		writeRange(&out, low, high)
	}
	if out.String() == "[" {
		return `[^\x00-\x{10FFFF}]`, i + 1, true // only slashes were in it
	}
	out.WriteByte(']')
	return out.String(), i + 1, true
}

// posixClass finds a name such as [:alpha:] at the beginning of text.
func posixClass(text string) (string, bool) {
	if !strings.HasPrefix(text, "[:") {
		return "", false
	}
	end := strings.Index(text, ":]")
	if end < 0 {
		return "", false
	}
	return text[:end+2], true
}

func classByte(text string, i int) (c byte, next int, ok bool) {
	if i < len(text) && text[i] == '\\' {
		i++
	}
	if i >= len(text) {
		return 0, 0, false
	}
	return text[i], i + 1, true
}

// writeRange writes low-high without the slash.
func writeRange(out *strings.Builder, low, high byte) {
	write := func(low, high byte) {
		if low > high {
			return
		}
		out.WriteString(hexByte(low))
		out.WriteByte('-')
		out.WriteString(hexByte(high))
	}
	if low > '/' || high < '/' {
		write(low, high)
		return
	}
	write(low, '/'-1)
	write('/'+1, high)
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return `\x` + string([]byte{digits[c>>4], digits[c&15]})
}
