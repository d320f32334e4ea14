package client

import (
	"testing"
	"unicode/utf8"
)

// FuzzDetail: whatever stands between client and gateway may answer in its place.
func FuzzDetail(f *testing.F) {
	for _, seed := range []string{`{"detail":"no"}`, `{"detail":[{"loc":["body",1,"x"],"msg":"bad"}]}`, "", "<html>", `{"detail":{}}`, `{"detail":[null]}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if text := detail(body); !utf8.ValidString(text) {
			t.Errorf("%q was read as %q", body, text)
		}
	})
}
