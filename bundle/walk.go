package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	gitIgnore       = ".gitignore"
	multinodeIgnore = ".multinodeignore"
	environmentFile = ".env"
)

type kind int

const (
	regular kind = iota
	folder
	link
)

// entry is one thing to pack.
type entry struct {
	path       string // relative to the project, with slashes
	kind       kind
	size       int64
	executable bool
	target     string // of a link, relative to its folder
}

// walker collects the entries of a project.
type walker struct {
	root    string
	entries []entry
	// hidden is the rule that leaves main.py out, if one does.
	hidden *rule
}

// list returns what is to be packed, in the archive's order.
func list(root string) ([]entry, error) {
	w := &walker{root: root}
	outer, err := outerRules(root)
	if err != nil {
		return nil, err
	}
	if err := w.walk("", outer); err != nil {
		return nil, err
	}
	for _, e := range w.entries {
		if e.path == Main && e.kind != folder {
			return w.entries, nil
		}
	}
	if w.hidden != nil {
		return nil, fmt.Errorf("%w to pack: %s line %d leaves it out; add the line !%s to %s",
			ErrNoMain, w.hidden.file, w.hidden.line, Main, multinodeIgnore)
	}
	return nil, fmt.Errorf("%w in %s; a project folder has a %s at its top that makes one Multinode() object "+
		"and defines functions on it", ErrNoMain, root, Main)
}

// walk adds what is in the folder at this relative path.
func (w *walker) walk(dir string, outer rules) error {
	at := filepath.Join(w.root, filepath.FromSlash(dir))
	rules, err := outer.with(at, dir)
	if err != nil {
		return err
	}
	children, err := os.ReadDir(at)
	if err != nil {
		return fmt.Errorf("reading the folder %s: %w; if it is not needed, name it in %s", at, err, multinodeIgnore)
	}
	for _, child := range children {
		name := path.Join(dir, child.Name())
		if w.alwaysLeftOut(name, child) {
			continue
		}
		if rule, out := rules.ignore(name, child.IsDir()); out {
			if name == Main {
				w.hidden = rule
			}
			continue
		}
		if err := w.add(name, child); err != nil {
			return err
		}
		if len(w.entries) > MaxFiles {
			return fmt.Errorf("%w: more than %d files and folders, the last of them in %s; "+
				"name what the functions do not need in %s", ErrTooLarge, MaxFiles, at, multinodeIgnore)
		}
		if strings.Count(name, "/") >= MaxDepth {
			return fmt.Errorf("%w: folders more than %d deep, at %s; name them in %s", ErrTooLarge, MaxDepth, at, multinodeIgnore)
		}
		if child.IsDir() {
			if err := w.walk(name, rules); err != nil {
				return err
			}
		}
	}
	return nil
}

// alwaysLeftOut tells what no ignore file can bring back: it would be wrong on
// another machine, or secret.
func (w *walker) alwaysLeftOut(name string, child fs.DirEntry) bool {
	base := child.Name()
	switch base {
	case ".git", "__pycache__", ".venv", environmentFile:
		return true
	}
	if !child.IsDir() {
		return strings.HasSuffix(base, ".pyc")
	}
	_, err := os.Lstat(filepath.Join(w.root, filepath.FromSlash(name), "pyvenv.cfg"))
	return err == nil
}

func (w *walker) add(name string, child fs.DirEntry) error {
	e := entry{path: name}
	switch mode := child.Type(); {
	case mode.IsDir():
		e.kind = folder
	case mode&fs.ModeSymlink != 0:
		target, err := w.target(name)
		if err != nil {
			return err
		}
		e.kind, e.target = link, target
	case mode.IsRegular():
		info, err := child.Info()
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		e.size, e.executable = info.Size(), info.Mode()&0o111 != 0
	default:
		return nil // sockets, pipes and devices are no part of a project's code
	}
	w.entries = append(w.entries, e)
	return nil
}

// target returns where a link leads, relative to the link's folder. It resolves
// links on the way, so that the result is the same wherever the project lies.
func (w *walker) target(name string) (string, error) {
	at := filepath.Join(w.root, filepath.FromSlash(name))
	real, err := filepath.EvalSymlinks(at)
	if errors.Is(err, fs.ErrNotExist) {
		// It leads to nothing now; where it says it leads is what counts.
		raw, readErr := os.Readlink(at)
		if readErr != nil {
			return "", fmt.Errorf("reading the link %s: %w", name, readErr)
		}
		if real = raw; !filepath.IsAbs(raw) {
			real = filepath.Join(filepath.Dir(at), raw)
		}
	} else if err != nil {
		return "", fmt.Errorf("reading the link %s: %w; if it is not needed, name it in %s", name, err, multinodeIgnore)
	}
	if real != w.root && !strings.HasPrefix(real, w.root+string(filepath.Separator)) {
		return "", fmt.Errorf("the link %s leads out of the project, to %s; put a copy in its place, or name it in %s",
			name, real, multinodeIgnore)
	}
	target, err := filepath.Rel(filepath.Dir(at), real)
	if err != nil {
		return "", fmt.Errorf("reading the link %s: %w", name, err)
	}
	return filepath.ToSlash(target), nil
}
