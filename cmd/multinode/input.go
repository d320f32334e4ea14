package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"multinode"
)

// functionInput makes an invocation's input of its arguments, given as JSON. Their
// text is passed on as it is, numbers of any size included.
func functionInput(args, kwargs string) (string, error) {
	positional, err := compact(args)
	if err != nil || positional[0] != '[' {
		return "", usage("--args must be a JSON array, such as --args '[1, \"two\"]'%s", because(err))
	}
	keyword, err := compact(kwargs)
	if err != nil || keyword[0] != '{' {
		return "", usage("--kwargs must be a JSON object, such as --kwargs '{\"x\": 3}'%s", because(err))
	}
	input := "[" + positional + ", " + keyword + "]"
	if n := utf8.RuneCountInString(input); n >= multinode.MaxInput {
		return "", usage("the arguments have %d characters, and must have fewer than %d. Pass large data by reference, such as the path of a file", n, multinode.MaxInput)
	}
	return input, nil
}

// maxArguments bounds what is read of a file, in bytes: the space in it does not
// count for the input.
const maxArguments = 16 << 20

// readArguments replaces @FILE and - by what is in the file or on stdin.
func (a *app) readArguments(ctx context.Context, args, kwargs *string) error {
	if *args == "-" && *kwargs == "-" {
		return usage("only one of --args and --kwargs can be - (stdin). Give the other one as JSON or @FILE")
	}
	ctx, stop := a.interruptible(ctx)
	defer stop()
	for _, flag := range []struct {
		name  string
		value *string
	}{{"--args", args}, {"--kwargs", kwargs}} {
		file, named := strings.CutPrefix(*flag.value, "@")
		if !named && *flag.value != "-" {
			continue
		}
		text, err := a.readArgument(ctx, file, named)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return usage("%s could not be read: %w", flag.name, err)
		case len(text) > maxArguments:
			return usage("%s is larger than %d MiB. Pass large data by reference, such as the path of a file", flag.name, maxArguments>>20)
		}
		*flag.value = string(text)
	}
	return context.Cause(ctx)
}

// readArgument reads the named file, else stdin, until an interrupt: a read cannot
// be called off, so it is left behind.
func (a *app) readArgument(ctx context.Context, file string, named bool) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		in := a.in
		if named {
			opened, err := os.Open(file)
			if err != nil {
				got <- result{nil, err}
				return
			}
			defer opened.Close()
			in = opened
		}
		text, err := io.ReadAll(io.LimitReader(in, maxArguments+1))
		got <- result{text, err}
	}()
	select {
	case g := <-got:
		return g.text, g.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// compact returns one JSON value without the space around its parts.
func compact(text string) (string, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		return "", err
	}
	return out.String(), nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
