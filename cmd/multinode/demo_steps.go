package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
	"multinode/wire"
)

// demoStep is one function to run, and what must come of it.
type demoStep struct {
	title    string
	function string
	args     []any
	// result is the expected one, as JSON.
	result string
	// failures is how many attempts must have failed before.
	failures int
	// children is how many invocations of which function it must have started.
	children int
	child    string
}

func demoSteps(marker string) []demoStep {
	texts := []string{
		"each function runs on compute of its own",
		"results and progress are stored until somebody asks",
		"a retry needs no code",
		"subtasks run simultaneously",
	}
	return []demoStep{
		{title: "A function that returns something", function: "greet", args: []any{"world"}, result: `"Hello, world!"`},
		{title: "One that tells how far it is", function: "count_primes", args: []any{20_000}, result: `{"done": "100%", "primes": 2262}`},
		{title: "One that fails, and is tried again", function: "unreliable", args: []any{marker}, result: `"succeeded at the second attempt"`, failures: 1},
		{title: "One that starts others, which run at the same time", function: "survey", args: []any{texts}, result: `"simultaneously"`, children: len(texts), child: "longest"},
	}
}

// demoResult is what a step came to, for programs.
type demoResult struct {
	Function       string          `json:"function"`
	InvocationID   string          `json:"invocation_id"`
	Status         wire.Status     `json:"status"`
	Result         json.RawMessage `json:"result"`
	FailedAttempts int             `json:"failed_attempts"`
	Children       int             `json:"children"`
}

// showStep runs one function, shows it, and checks what came of it.
func (a *app) showStep(ctx context.Context, c *client.Client, step demoStep) (demoResult, error) {
	a.heading(step.title)
	args, err := json.Marshal(step.args)
	if err != nil {
		return demoResult{}, err
	}
	t := &target{project: demoProject, function: step.function}
	info, err := c.Start(ctx, t.functionRef(), wire.InvocationDefinition{Input: "[" + string(args) + ", {}]"}, "")
	if err != nil {
		return demoResult{}, err
	}
	t.version, t.invocation = info.VersionID, info.InvocationID
	w := &watch{app: a, c: c, t: t}
	w.task = a.screen.Task(step.function + "(" + show.Arguments(args) + ")")
	info, err = c.Follow(ctx, t.invocationRef(), client.Handlers{Status: w.status, Yield: w.yield, Log: w.log})
	w.task.Drop()
	if err != nil {
		return demoResult{}, err
	}
	result := demoResult{
		Function: step.function, InvocationID: info.InvocationID, Status: info.Status, FailedAttempts: info.NumFailedAttempts,
	}
	if result.Children, err = a.children(ctx, c, step, t); err != nil {
		return demoResult{}, err
	}
	if err := step.check(info, result.Children); err != nil {
		return demoResult{}, err
	}
	result.Result = json.RawMessage(*info.Output)
	what := step.function + " returned"
	switch {
	case step.failures > 0:
		what += " after " + show.Count(info.NumFailedAttempts, "failed attempt")
	case step.children > 0:
		what += " after " + show.Count(result.Children, "subtask")
	}
	a.screen.Note(a.screen.Notes().Green("✓") + " " + what)
	if !a.json {
		a.screen.Printf("%s\n", *info.Output)
	}
	return result, nil
}

// children counts what the invocation started.
func (a *app) children(ctx context.Context, c *client.Client, step demoStep, t *target) (int, error) {
	if step.child == "" {
		return 0, nil
	}
	list, err := c.Invocations(ctx, client.Function{Project: t.project, Version: t.version, Name: step.child}, client.ListOptions{
		Parent: &wire.ParentInvocation{FunctionName: t.function, InvocationID: t.invocation},
	})
	return len(list.Invocations), err
}

// check tells whether the function did what it should.
func (s demoStep) check(i wire.InvocationInfo, children int) error {
	switch {
	case i.Status != wire.StatusSucceeded:
		reason := ""
		if i.ErrorMessage != nil {
			reason = ": " + *i.ErrorMessage
		}
		return fmt.Errorf("%s ended %s%s", s.function, i.Status, reason)
	case i.Output == nil || !sameJSON(*i.Output, s.result):
		got := "nothing"
		if i.Output != nil {
			got = *i.Output
		}
		return fmt.Errorf("%s returned %s instead of %s", s.function, got, s.result)
	case i.NumFailedAttempts != s.failures:
		return fmt.Errorf("%s had %s instead of %d", s.function, show.Count(i.NumFailedAttempts, "failed attempt"), s.failures)
	case children != s.children:
		return fmt.Errorf("%s started %s instead of %d", s.function, show.Count(children, "subtask"), s.children)
	}
	return nil
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
