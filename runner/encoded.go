package runner

import "unicode/utf8"

// encodedSize is how many bytes a text takes in JSON, without the quotes.
func encodedSize(text string) int {
	size := 0
	for _, r := range text {
		size += encodedRune(r)
	}
	return size
}

func encodedRune(r rune) int {
	switch r {
	case '"', '\\', '\n', '\r', '\t', '\b', '\f':
		return len(`\n`)
	case '<', '>', '&', '\u2028', '\u2029':
		return len(`\u2028`)
	}
	if r < ' ' {
		return len(`\u0000`)
	}
	return utf8.RuneLen(r)
}

// cutEncoded cuts a text so that the first piece takes at most size bytes in JSON,
// or one character, if that takes more.
func cutEncoded(text string, size int) (piece, rest string) {
	for i, r := range text {
		if size -= encodedRune(r); size < 0 && i > 0 {
			return text[:i], text[i:]
		}
	}
	return text, ""
}
