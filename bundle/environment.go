package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxEnvironment bounds a .env file, and names and values together, in bytes.
// An operating system takes no more than 128 KiB for one variable.
const MaxEnvironment = 64 << 10

// reserved begins the names of the variables that the system itself sets.
const reserved = "MULTINODE_"

// EnvironmentError is a fault in a .env file. It never holds a value.
type EnvironmentError struct {
	// Line counts from 1; it is 0 where the fault is not in one line.
	Line    int
	Problem string
}

func (e *EnvironmentError) Error() string {
	if e.Line == 0 {
		return ".env: " + e.Problem
	}
	return fmt.Sprintf(".env line %d: %s", e.Line, e.Problem)
}

// ParseEnvironment reads the text of a .env file:
//
//	# a comment
//	NAME=value up to the end of the line      # or to a comment
//	export NAME='nothing is special in here'
//	NAME="a \"quote\", \n a line break, \\ a backslash; may span lines"
//
// Nothing is expanded: "$" stands for itself. The last value of a name counts.
// Its error is an *EnvironmentError.
func ParseEnvironment(text []byte) (map[string]string, error) {
	if len(text) > MaxEnvironment {
		return nil, &EnvironmentError{Problem: fmt.Sprintf("larger than %d KiB; put large values into files of the project", MaxEnvironment>>10)}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		valid := 0
		for r, n := utf8.DecodeRune(text); r != utf8.RuneError || n > 1; r, n = utf8.DecodeRune(text[valid:]) {
			valid += n
		}
		return nil, &EnvironmentError{Line: 1 + bytes.Count(text[:valid], []byte("\n")), Problem: "not UTF-8 text"}
	}
	p := parser{rest: strings.ReplaceAll(string(text), "\r\n", "\n"), line: 1, found: map[string]string{}}
	for p.rest != "" {
		if problem := p.statement(); problem != "" {
			return nil, &EnvironmentError{Line: p.line, Problem: problem}
		}
	}
	return p.found, nil
}

// ValidateEnvironment checks variables that did not come through
// ParseEnvironment. Its error is an *EnvironmentError.
func ValidateEnvironment(environment map[string]string) error {
	total := 0
	names := make([]string, 0, len(environment))
	for name, value := range environment {
		names = append(names, name)
		total += len(name) + len(value) + len("=\n")
	}
	if total > MaxEnvironment {
		return &EnvironmentError{Problem: fmt.Sprintf("larger than %d KiB", MaxEnvironment>>10)}
	}
	slices.Sort(names) // so that the same input gives the same error
	for _, name := range names {
		problem := checkName(name)
		if problem == "" {
			problem = checkValue(name, environment[name])
		}
		if problem != "" {
			return &EnvironmentError{Problem: problem}
		}
	}
	return nil
}

func readEnvironment(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the .env file: %w", err)
	}
	return ParseEnvironment(text)
}

// parser goes over the text statement by statement. Its methods return what is
// wrong in the current line, or "".
type parser struct {
	rest  string
	line  int
	found map[string]string
}

// blanks are the spaces within a line.
const blanks = " \t\v\f\r"

func (p *parser) statement() (problem string) {
	line, after, _ := strings.Cut(p.rest, "\n")
	trimmed := strings.TrimLeft(line, blanks)
	if trimmed == "" || trimmed[0] == '#' {
		p.rest = after
		p.line++
		return ""
	}
	if exported, ok := strings.CutPrefix(trimmed, "export"); ok && strings.IndexAny(exported, blanks) == 0 {
		trimmed = strings.TrimLeft(exported, blanks)
	}
	name, value, ok := strings.Cut(trimmed, "=")
	if !ok {
		return "expected NAME=VALUE"
	}
	name = strings.TrimRight(name, blanks)
	if problem := checkName(name); problem != "" {
		return problem
	}
	value = strings.TrimLeft(value, blanks)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		return p.quoted(name, p.rest[len(line)-len(value):])
	}
	if problem := checkValue(name, value); problem != "" {
		return problem
	}
	p.found[name] = plain(value)
	p.rest = after
	p.line++
	return ""
}

// plain cuts the comment and the spaces off an unquoted value.
func plain(value string) string {
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || strings.IndexByte(blanks, value[i-1]) >= 0) {
			value = value[:i]
			break
		}
	}
	return strings.TrimRight(value, blanks)
}

// quoted takes the value that text begins with, and the rest of its last line.
func (p *parser) quoted(name, text string) (problem string) {
	quote := text[0]
	var value strings.Builder
	i := 1
	for ; i < len(text) && text[i] != quote; i++ {
		c := text[i]
		if quote == '"' && c == '\\' && i+1 < len(text) {
			i++
			value.WriteString(unescape(text[i]))
			continue
		}
		value.WriteByte(c)
	}
	if i == len(text) {
		return fmt.Sprintf("the quote that opens the value of %s is never closed", name)
	}
	if problem := checkValue(name, value.String()); problem != "" {
		return problem
	}
	lines := strings.Count(text[:i], "\n")
	tail, after, _ := strings.Cut(text[i+1:], "\n")
	if tail = strings.TrimLeft(tail, blanks); tail != "" && tail[0] != '#' {
		p.line += lines
		return "text after the closing quote of the value of " + name
	}
	p.found[name] = value.String()
	p.rest = after
	p.line += lines + 1
	return ""
}

// unescape returns what a backslash and c stand for between double quotes; an
// unknown pair stands for itself.
func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\', '$', '\'', '`':
		return string(c)
	}
	return `\` + string([]byte{c})
}

func checkName(name string) (problem string) {
	if name == "" {
		return "expected NAME=VALUE"
	}
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return "a variable's name has letters, digits and _ only, and begins with no digit"
		}
	}
	if strings.HasPrefix(name, reserved) {
		return fmt.Sprintf("%s: names that begin with %s are set by the system; choose another name", name, reserved)
	}
	return ""
}

func checkValue(name, value string) (problem string) {
	if strings.IndexByte(value, 0) >= 0 {
		return fmt.Sprintf("the value of %s has a zero byte in it", name)
	}
	if !utf8.ValidString(value) {
		return fmt.Sprintf("the value of %s is not UTF-8 text", name)
	}
	return ""
}
