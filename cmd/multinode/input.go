package main

import (
	"bytes"
	"encoding/json"
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
