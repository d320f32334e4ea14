package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// pythonFile is where tools of Python look for the version that a project is for.
const pythonFile = ".python-version"

var pythonLine = regexp.MustCompile(`^(?:cpython-|python-)?(3\.[0-9]{1,2})(?:\.[0-9]+)?$`)

// pythonVersion returns the version that the project asks for, without its last part,
// or nil where it names none.
func pythonVersion(dir string) (*string, error) {
	content, err := os.ReadFile(filepath.Join(dir, pythonFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the project's version of Python: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		found := pythonLine.FindStringSubmatch(line)
		switch {
		case found == nil && (line[0] < '0' || line[0] > '9'):
			return nil, nil // the name of something on its author's machine
		case found == nil:
			return nil, fmt.Errorf("%s says %q, which is no version such as 3.12: name one of 3.9 to 3.13 there, or remove the file", pythonFile, line)
		}
		return &found[1], nil
	}
	return nil, nil
}
