package up

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyFile holds the API key that was made for this data folder.
func keyFile(dir string) string { return filepath.Join(dir, "api-key") }

// keptKey returns the data folder's own API key, which it makes the first time.
func keptKey(dir string) (string, error) {
	path := keyFile(dir)
	text, err := os.ReadFile(path)
	if key := strings.TrimSpace(string(text)); err == nil && key != "" {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	key := "mn-" + strings.ToLower(rand.Text())
	if err := replace(path, key+"\n"); err != nil {
		return "", fmt.Errorf("keep the API key: %w", err)
	}
	return key, nil
}

// replace writes a file that only its owner can read: after a crash there is the
// old content or the new.
func replace(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
