package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

const requirementsFile = "requirements.txt"

// requirements is what a project asks to have installed.
type requirements struct {
	// present tells whether there is a requirements.txt at all.
	present bool
	// normal is the same text for requirements.txt files that mean the same:
	// without comments, blank lines and spaces around lines, and with the files that
	// it includes.
	normal string
	// local tells that something of the project itself is installed, so that the
	// environment depends on all of it.
	local bool
	// hashed tells that pip will demand a hash of everything it installs.
	hashed bool
}

// maxRequirements bounds all files together, in bytes.
const maxRequirements = 1 << 20

func readRequirements(project string) (requirements, error) {
	root, err := os.OpenRoot(project)
	if err != nil {
		return requirements{}, fmt.Errorf("reading the requirements: %w", err)
	}
	defer root.Close()
	r := reader{root: root, seen: map[string]bool{}}
	if err := r.file(requirementsFile); err != nil {
		return requirements{}, err
	}
	r.found.normal = r.text.String()
	return r.found, nil
}

// reader follows included files within the project. It only has to notice what
// makes two environments differ; what is wrong with a line is for pip to say.
type reader struct {
	root  *os.Root
	seen  map[string]bool
	text  strings.Builder
	found requirements
}

func (r *reader) file(name string) error {
	if r.seen[name] {
		return nil
	}
	r.seen[name] = true
	content, err := r.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if pathErr := (*fs.PathError)(nil); name != requirementsFile && errors.As(err, &pathErr) {
		return nil // a folder, or outside of the project
	}
	if err != nil {
		return fmt.Errorf("reading the requirements: %w", err)
	}
	if len(content)+r.text.Len() > maxRequirements {
		return &Failure{Detail: fmt.Sprintf("the requirements files are larger than %d KiB", maxRequirements>>10)}
	}
	r.found.present = true
	text := strings.ReplaceAll(strings.TrimPrefix(string(content), "\ufeff"), "\r\n", "\n")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		if err := r.line(path.Dir(name), line); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) line(folder, line string) error {
	if line = strings.Join(strings.Fields(uncommented(line)), " "); line == "" {
		return nil
	}
	r.text.WriteString(line + "\n")
	if strings.Contains(line, "--hash") {
		r.found.hashed = true
	}
	for _, option := range []string{"-r", "-c", "--requirement", "--constraint"} {
		rest, ok := strings.CutPrefix(line, option)
		if !ok || strings.HasPrefix(rest, "-") {
			continue
		}
		if name := strings.Trim(rest, " ="); !strings.Contains(name, "://") {
			return r.file(path.Join(folder, name))
		}
		return nil
	}
	r.found.local = r.found.local || r.isLocal(folder, line)
	return nil
}

// isLocal tells whether the line may install something from the project's folder.
// A wrong yes costs only an environment that is not shared.
func (r *reader) isLocal(folder, line string) bool {
	if strings.HasPrefix(line, "-e") || strings.HasPrefix(line, "--editable") || strings.Contains(line, "file:") {
		return true
	}
	for _, word := range strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '=' || c == '@' || c == '[' || c == ';' }) {
		if strings.HasPrefix(word, ".") || strings.HasPrefix(word, "/") {
			return true
		}
		for _, name := range []string{path.Clean(word), path.Join(folder, word)} {
			if !fs.ValidPath(name) {
				continue
			}
			if _, err := r.root.Stat(name); err == nil {
				return true
			}
		}
	}
	return false
}

func uncommented(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return ""
	}
	if i := strings.Index(line, " #"); i >= 0 {
		return line[:i]
	}
	return line
}
