// Command mutants takes rules out of the code, one at a time, and sees that a test
// notices:
//
//	go run ./internal/mutants [WORD]
//
// Each mutant is built over the source, which stays as it is. With a word only those
// run whose rule contains it. A mutant that no test notices, or that only makes one
// hang, is a failure. docs/faults.md has the rules in a table.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	if !allNoticed(strings.Join(os.Args[1:], " ")) {
		os.Exit(1)
	}
}

// allNoticed runs the mutants whose rule contains the word.
func allNoticed(word string) bool {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	missed, run := 0, 0
	for _, m := range mutants {
		if !strings.Contains(m.rule, word) || ctx.Err() != nil {
			continue
		}
		run++
		if err := m.noticed(ctx); err != nil {
			missed++
			fmt.Printf("MISSED  %s: %v\n", m.rule, err)
			continue
		}
		fmt.Printf("noticed %s (%s)\n", m.rule, m.test)
	}
	fmt.Printf("%d mutants, %d missed\n", run, missed)
	return missed == 0 && run > 0
}

// mutant is the code without one rule.
type mutant struct {
	rule string
	// file is where text stands once, and instead is what takes its place.
	file, text, instead string
	// test is the one of the package that has to fail.
	pkg, test string
}

// hang bounds one test: it is far above what any takes.
const hang = "4m"

// noticed runs the test on the mutant.
func (m mutant) noticed(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "multinode-mutant-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.write(dir)
	if err != nil {
		return err
	}
	arguments := []string{"test", "-overlay", overlay, "-count=1", "-timeout", hang, "-v", "-run", "^" + m.test + "$", "./" + m.pkg}
	out, err := exec.CommandContext(ctx, "go", arguments...).CombinedOutput()
	text := string(out)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && strings.Contains(text, "--- PASS: "+m.test):
		return errors.New("its test passes")
	case err == nil:
		return fmt.Errorf("the test %s was not run: %s", m.test, text)
	case strings.Contains(text, "test timed out"):
		return errors.New("its test hangs instead of saying what is wrong")
	case !strings.Contains(text, "--- FAIL: "+m.test):
		return fmt.Errorf("the test %s could not be run: %s", m.test, text)
	}
	return nil
}

// write makes the overlay, and returns its file.
func (m mutant) write(dir string) (string, error) {
	source, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.text); n != 1 {
		return "", fmt.Errorf("%s has the rule's text %d times: bring the mutant up to date", m.file, n)
	}
	mutated := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(text), m.text, m.instead, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutated}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}
