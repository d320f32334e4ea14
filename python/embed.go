// Package python carries the sources of the pip package "multinode" in the
// program, so that environments for users' code can be made although the package
// is not published, and always with the version that fits the program.
package python

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

// What Python's own tools leave in the folder is embedded with it and passed over
// in sources.
//
//go:embed all:multinode pyproject.toml README.md
var embedded embed.FS

const packageName = "multinode"

// source is one file of the package.
type source struct {
	path    string // with slashes, from "multinode/" on
	content []byte
}

// sources returns the package's files in the order of their paths.
var sources = sync.OnceValues(func() ([]source, error) {
	var found []source
	err := fs.WalkDir(embedded, packageName, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "__pycache__" || strings.HasPrefix(name, ".") || path == binaryFolder {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".pyc") || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		content, err := embedded.ReadFile(path)
		found = append(found, source{path, content})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the embedded Python package: %w", err)
	}
	return found, nil
})

// project is what of pyproject.toml goes into a wheel.
type project struct {
	Name           string            `toml:"name"`
	Version        string            `toml:"version"`
	Description    string            `toml:"description"`
	License        string            `toml:"license"`
	RequiresPython string            `toml:"requires-python"`
	Keywords       []string          `toml:"keywords"`
	Classifiers    []string          `toml:"classifiers"`
	Dependencies   []string          `toml:"dependencies"`
	Scripts        map[string]string `toml:"scripts"`
}

var definition = sync.OnceValues(func() (project, error) {
	var file struct {
		Project project `toml:"project"`
	}
	if _, err := toml.DecodeFS(embedded, "pyproject.toml", &file); err != nil {
		return project{}, fmt.Errorf("reading the embedded pyproject.toml: %w", err)
	}
	p := file.Project
	if p.Name != packageName || p.Version == "" || len(p.Scripts) == 0 {
		return project{}, fmt.Errorf("the embedded pyproject.toml is incomplete: name %q, version %q, %d scripts", p.Name, p.Version, len(p.Scripts))
	}
	return p, nil
})

// Digest names the state of the package: its sources and its definition. It is a
// SHA-256 in lowercase hexadecimal.
func Digest() (string, error) {
	files, err := sources()
	if err != nil {
		return "", err
	}
	toml, err := embedded.ReadFile("pyproject.toml")
	if err != nil {
		return "", fmt.Errorf("reading the embedded pyproject.toml: %w", err)
	}
	sum := sha256.New()
	for _, f := range append(files[:len(files):len(files)], source{"pyproject.toml", toml}) {
		fmt.Fprintf(sum, "%q %d\n", f.path, len(f.content))
		sum.Write(f.content)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
