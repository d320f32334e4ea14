package up

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"multinode/internal/atomicfile"
)

// keyFile holds the API key that was made for this data folder.
func keyFile(dir string) string { return filepath.Join(dir, "api-key") }

// keptKey returns the data folder's own API key, which it makes the first time.
func keptKey(dir string) (string, error) {
	return keptSecret(keyFile(dir), func() string { return "mn-" + strings.ToLower(rand.Text()) })
}

// keptSecret returns the secret in a file, which it makes the first time.
func keptSecret(path string, make func() string) (string, error) {
	text, err := os.ReadFile(path)
	if key := strings.TrimSpace(string(text)); err == nil && key != "" {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	key := make()
	if err := atomicfile.Write(path, []byte(key+"\n")); err != nil {
		return "", fmt.Errorf("keep the secret: %w", err)
	}
	return key, nil
}
