package trust_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"multinode/trust"
)

// FuzzIdentity: a file of keys that is accepted can sign, any other is an error
// and is left as it is.
func FuzzIdentity(f *testing.F) {
	path := filepath.Join(f.TempDir(), "identity")
	if _, err := trust.LoadOrCreate(path); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("{}"))
	f.Add([]byte("null"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "identity")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := trust.Load(path)
		if err != nil {
			return
		}
		if _, err := a.MintWorker("exe-1", "p.g.f.inv-1.exe-1", time.Now().Add(time.Hour)); err != nil {
			t.Errorf("%q was accepted and cannot sign: %v", content, err)
		}
	})
}
