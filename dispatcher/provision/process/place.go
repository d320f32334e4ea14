package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"multinode"
)

// Place implements provision.Provisioner. Machine and folder make the place. A
// random token that is kept in the folder is part of it as well: machines that
// were cloned, such as containers of one image, may have the same identity.
func (p *Provisioner) Place() string { return p.place }

func placeOf(dir string) (string, error) {
	token, err := keptToken(filepath.Join(dir, "place"))
	if err != nil {
		return "", fmt.Errorf("naming the place of the workers: %w", err)
	}
	// Hashed, because the machine's identity is nobody's business.
	sum := sha256.Sum256([]byte(machine() + "\x00" + dir + "\x00" + token))
	return Kind + "-" + hex.EncodeToString(sum[:16]), nil
}

// keptToken reads the file, or makes it; whoever makes it first decides.
func keptToken(path string) (string, error) {
	token, err := os.ReadFile(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return string(token), err
	}
	// Linked under its name when it is whole: nobody reads half of it.
	temporary := path + "." + multinode.NewID("new")
	if err := os.WriteFile(temporary, []byte(multinode.NewID("place")+"\n"), 0o600); err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(temporary) }()
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	token, err = os.ReadFile(path)
	return string(token), err
}

// machine returns the identity of the installed system, and nothing where it has
// none.
func machine() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil {
			return string(id)
		}
	}
	return ""
}
