package build

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// venvTime bounds making an empty environment.
const venvTime = 3 * time.Minute

// venv makes an empty environment and returns the arguments by which its
// interpreter runs pip.
//
// Installing pip into an environment takes longer than all the rest of making it.
// So pip is run from outside, unpacked once from the wheel that Python brings, in
// the way in which pip runs itself with its option --python. Where there is no such
// wheel, the environment gets a pip of its own.
func (b *Builder) venv(ctx context.Context, env environment, lock *os.File) (pip []string, err error) {
	// -I: neither the folder we are in nor the user's own packages matter. -u: lines
	// are told when they are written.
	args := []string{"-I", "-m", "venv", env.dir}
	pip = []string{"-Iu", "-m", "pip"}
	if b.python.Pip != "" {
		folder, err := b.unpackPip()
		if err != nil {
			return nil, err
		}
		args = []string{"-I", "-m", "venv", "--without-pip", env.dir}
		pip = []string{"-Iu", folder}
	}
	if b.options.SystemPackages {
		args = slices.Insert(args, 3, "--system-site-packages")
	}
	var said tail
	c := command{
		path: b.python.Path, args: args, dir: b.environments, env: baseEnvironment(), limit: venvTime,
		stdout: said.add, stderr: said.add, third: lock,
	}
	if err := c.run(ctx); isExit(err) {
		return nil, b.python.cannot(said.String())
	} else if err != nil {
		return nil, fmt.Errorf("making a Python environment: %w", err)
	}
	return pip, nil
}

// unpackPip returns the folder of pip's own package.
func (b *Builder) unpackPip() (string, error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("unpacking pip from %s: %w", b.python.Pip, err)
	}
	sum := sha256.Sum256([]byte(b.python.Build + b.python.Pip))
	folder := filepath.Join(b.environments, ".pip-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return filepath.Join(folder, "pip"), nil
	}
	wheel, err := zip.OpenReader(b.python.Pip)
	if err != nil {
		return fail(err)
	}
	defer wheel.Close()
	temporary, err := os.MkdirTemp(b.environments, unfinished)
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(temporary)
	if err := os.CopyFS(temporary, wheel); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(filepath.Join(temporary, "pip", "__main__.py")); err != nil {
		return fail(err)
	}
	if err := errors.Join(os.Chmod(temporary, 0o755), syncFolder(temporary)); err != nil {
		return fail(err)
	}
	// Another process may have been faster: then its folder has the same in it.
	if err := os.Rename(temporary, folder); err != nil && !isThere(folder) {
		return fail(err)
	}
	return filepath.Join(folder, "pip"), nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// pipFailure is pip's own message: from its first error on, where there is one.
func pipFailure(said tail) string {
	from := max(0, len(said.lines)-20)
	for i, line := range said.lines {
		if trimmed := strings.ToLower(strings.TrimSpace(line)); strings.HasPrefix(trimmed, "error") {
			from = i
			break
		}
	}
	detail := "pip could not install " + requirementsFile + ":\n" + strings.TrimSpace(strings.Join(said.lines[from:], "\n"))
	if hint := conflictHint(said.lines[from:]); hint != "" {
		detail += "\n" + hint
	}
	return detail
}

// conflictHint says what to change where pip's list of what conflicts has package
// multinode in it, else nothing.
func conflictHint(lines []string) string {
	type demand struct{ by, what string } // by is empty for the user's own
	var demands []demand
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if what, ok := strings.CutPrefix(line, "The user requested "); ok {
			what = strings.TrimPrefix(what, "(constraint) ")
			if packageName(what) != "multinode" {
				demands = append(demands, demand{what: what})
			} else if !strings.Contains(what, wheelFolder) {
				return "The server installs the multinode package that fits it: take multinode out of " + requirementsFile + "."
			}
		} else if by, what, ok := strings.Cut(line, " depends on "); ok {
			demands = append(demands, demand{by, what})
		}
	}
	for _, ours := range demands {
		if packageName(ours.by) != "multinode" {
			continue
		}
		for _, d := range demands {
			switch {
			case packageName(d.what) != packageName(ours.what) || packageName(d.by) == "multinode":
			case d.by == "":
				return fmt.Sprintf("%s in %s conflicts with %s, which package multinode itself needs: loosen that line.", d.what, requirementsFile, ours.what)
			default:
				return fmt.Sprintf("%s needs %s, which conflicts with %s, which package multinode itself needs: loosen the line of %s that asks for %s.",
					d.by, d.what, ours.what, requirementsFile, packageName(d.by))
			}
		}
	}
	return ""
}

// wheelFolder is in the path of the multinode package that the server installs.
const wheelFolder = "multinode-wheel-"

// packageName is the normal form of the name that a requirement begins with.
func packageName(requirement string) string {
	end := strings.IndexFunc(requirement, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	})
	if end >= 0 {
		requirement = requirement[:end]
	}
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(requirement))
}
