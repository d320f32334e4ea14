// Command fuzzall fuzzes every decoder of the module, one after the other, each
// for the duration given: go run ./internal/fuzzall 30s.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

func main() {
	each := 30 * time.Second
	if len(os.Args) > 1 {
		var err error
		if each, err = time.ParseDuration(os.Args[1]); err != nil || each <= 0 {
			fmt.Fprintln(os.Stderr, "usage: fuzzall DURATION, such as 30s")
			os.Exit(2)
		}
	}
	if err := run(each); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(each time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fuzzers, err := list(ctx)
	if err != nil {
		return err
	}
	failed := 0
	for _, f := range fuzzers {
		fmt.Printf("%s %s\n", f.folder, f.name)
		// Go fuzzes one function of one package at a time.
		cmd := exec.CommandContext(ctx, "go", "test", f.folder, "-run=^$", "-fuzz=^"+f.name+"$", "-fuzztime="+each.String(), "-fuzzminimizetime=1s")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			failed++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d fuzzers failed; what they found is in testdata/fuzz beside them: mend it and keep it", failed, len(fuzzers))
	}
	fmt.Printf("%d fuzzers found nothing\n", len(fuzzers))
	return nil
}

type fuzzer struct{ folder, name string }

// list finds the fuzzers in the test files, without building any.
func list(ctx context.Context) ([]fuzzer, error) {
	const format = `{{range $f := .TestGoFiles}}{{$.Dir}}|{{$f}}{{"\n"}}{{end}}{{range $f := .XTestGoFiles}}{{$.Dir}}|{{$f}}{{"\n"}}{{end}}`
	out, err := exec.CommandContext(ctx, "go", "list", "-f", format, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("list the test files: %w", err)
	}
	var found []fuzzer
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		folder, file, ok := strings.Cut(lines.Text(), "|")
		if !ok {
			continue
		}
		text, err := os.ReadFile(folder + "/" + file)
		if err != nil {
			return nil, err
		}
		for _, line := range strings.Split(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, "func Fuzz"); ok {
				name, _, _ := strings.Cut(rest, "(")
				found = append(found, fuzzer{folder, "Fuzz" + name})
			}
		}
	}
	return found, lines.Err()
}
