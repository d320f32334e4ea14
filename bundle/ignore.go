package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// rule is one line of an ignore file, with git's meaning.
type rule struct {
	file       string // for messages
	line       int
	include    bool // the line began with "!"
	folderOnly bool // it ended with "/"
	pattern    *regexp.Regexp
}

// level holds the rules of one folder's ignore files. Paths are relative to the
// project; prefix is what to put before or take off to make them relative to the
// folder of the rules.
type level struct {
	above  string // the project within the rules' folder: "" or "tasks/"
	below  string // the rules' folder within the project: "" or "sub/"
	inside []rule
}

// rules are the levels that apply in a folder, the outermost first.
type rules []level

// ignore decides on a path below the innermost level: the last rule that matches
// wins, those of inner folders over those of outer ones.
func (r rules) ignore(name string, isFolder bool) (*rule, bool) {
	for i := len(r) - 1; i >= 0; i-- {
		relative := r[i].above + strings.TrimPrefix(name, r[i].below)
		for j := len(r[i].inside) - 1; j >= 0; j-- {
			rule := &r[i].inside[j]
			if (isFolder || !rule.folderOnly) && rule.pattern.MatchString(relative) {
				return rule, !rule.include
			}
		}
	}
	return nil, false
}

// with adds the ignore files of the folder at, which lies at dir in the project.
// A folder's .multinodeignore comes after its .gitignore: it can bring back what
// the repository leaves out.
func (r rules) with(at, dir string) (rules, error) {
	next := level{}
	if dir != "" {
		next.below = dir + "/"
	}
	for _, name := range []string{gitIgnore, multinodeIgnore} {
		found, err := readRules(filepath.Join(at, name), next.below+name)
		if err != nil {
			return nil, err
		}
		next.inside = append(next.inside, found...)
	}
	if len(next.inside) == 0 {
		return r, nil
	}
	return append(r[:len(r):len(r)], next), nil
}

// outerRules reads the .gitignore files of the folders above a project that lies
// within a git repository.
func outerRules(root string) (rules, error) {
	var above []string
	for at := root; ; at = filepath.Dir(at) {
		if at != root {
			above = append(above, at)
		}
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			break
		}
		if at == filepath.Dir(at) {
			return nil, nil // no repository
		}
	}
	var r rules
	for i := len(above) - 1; i >= 0; i-- {
		file := filepath.Join(above[i], gitIgnore)
		found, err := readRules(file, file)
		if err != nil {
			return nil, err
		}
		inner, err := filepath.Rel(above[i], root)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		r = append(r, level{above: filepath.ToSlash(inner) + "/", inside: found})
	}
	return r, nil
}

func readRules(file, label string) ([]rule, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return parseRules(text, label), nil
}

func parseRules(text []byte, label string) []rule {
	var found []rule
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for i, line := range strings.Split(string(text), "\n") {
		if r, ok := parseRule(strings.TrimSuffix(line, "\r")); ok {
			r.file, r.line = label, i+1
			found = append(found, r)
		}
	}
	return found
}

func parseRule(line string) (r rule, ok bool) {
	if strings.HasPrefix(line, "#") {
		return r, false
	}
	line = trimSpaces(line)
	line, r.include = strings.CutPrefix(line, "!")
	line, r.folderOnly = strings.CutSuffix(line, "/")
	if line == "" {
		return r, false
	}
	// A slash anywhere but at the end ties the pattern to the rules' folder.
	anchored := strings.Contains(line, "/")
	body, ok := translate(strings.TrimPrefix(line, "/"), anchored)
	if !ok {
		return r, false
	}
	if !anchored {
		body = "(?:.*/)?" + body
	}
	pattern, err := regexp.Compile("(?s)^" + body + "$")
	if err != nil {
		return r, false // git, too, passes over patterns that it can't read
	}
	r.pattern = pattern
	return r, true
}

// trimSpaces takes off trailing spaces that are not escaped.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
			end = min(i+1, len(line))
		case ' ':
		default:
			end = i + 1
		}
	}
	return line[:end]
}
