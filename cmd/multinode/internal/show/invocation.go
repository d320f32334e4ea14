package show

import (
	"slices"
	"strconv"
	"strings"

	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// Invocations is a table of invocations, in the order given.
func Invocations(list []wire.InvocationSummary, style term.Style) string {
	rows := [][]term.Cell{heading(style, "ID", "STATUS", "CREATED", "UPDATED", "STARTED BY")}
	for _, i := range list {
		parent := ""
		if i.ParentInvocation != nil {
			parent = i.ParentInvocation.InvocationID + " (" + i.ParentInvocation.FunctionName + ")"
		}
		rows = append(rows, []term.Cell{
			{Text: i.InvocationID}, Status(i.Status, style),
			{Text: Time(i.CreationTime)}, {Text: Time(i.LastUpdateTime)}, {Text: parent},
		})
	}
	return term.Table(indent, rows...)
}

// Invocation is an invocation with its executions, oldest first.
func Invocation(i wire.InvocationInfo, style term.Style) string {
	var b strings.Builder
	b.WriteString(style.Bold("Invocation "+i.InvocationID) + "\n")
	facts := [][]term.Cell{
		term.Plain("function", i.FunctionName),
		term.Plain("version", i.VersionID),
		{{Text: "status"}, {Text: Progress(i), Paint: statusPaint(i.Status, style)}},
		term.Plain("created", Time(i.CreationTime)),
		term.Plain("updated", Time(i.LastUpdateTime)),
	}
	if i.CancellationRequestTime != nil {
		facts = append(facts, term.Plain("cancelled", Time(*i.CancellationRequestTime)))
	}
	if p := i.ParentInvocation; p != nil {
		facts = append(facts, term.Plain("started by", p.InvocationID+" ("+p.FunctionName+")"))
	}
	facts = append(facts, term.Plain("input", i.Input))
	if i.Output != nil {
		facts = append(facts, term.Plain("output", *i.Output))
	}
	if i.ErrorMessage != nil {
		facts = append(facts, []term.Cell{{Text: "error"}, {Text: *i.ErrorMessage, Paint: style.Red}})
	}
	if c := i.Children; c != nil && len(c.Counts) > 0 {
		facts = append(facts, term.Plain("children", childCounts(*c)))
	}
	b.WriteString(term.Table(indent, facts...))
	for n, e := range slices.Backward(i.Executions) {
		b.WriteString("\n" + style.Bold("Execution "+strconv.Itoa(len(i.Executions)-n)) + "\n")
		b.WriteString(execution(e, style))
	}
	if c := i.Children; c != nil && len(c.Newest) > 0 {
		b.WriteString(children(*c, style))
	}
	return b.String()
}

func execution(e wire.ExecutionSummary, style term.Style) string {
	rows := [][]term.Cell{
		term.Plain("id", e.ExecutionID),
		term.Plain("created", Time(e.CreationTime)),
	}
	if e.ExecutionStartTime != nil {
		rows = append(rows, term.Plain("started", Time(*e.ExecutionStartTime)))
	}
	if e.ExecutionFinishTime != nil {
		rows = append(rows, term.Plain("finished", Time(*e.ExecutionFinishTime)))
	}
	rows = append(rows, term.Plain("worker", strings.ToLower(string(e.WorkerStatus))))
	if e.Outcome != nil {
		rows = append(rows, term.Plain("outcome", string(*e.Outcome)))
	}
	if e.Output != nil {
		rows = append(rows, term.Plain("output", *e.Output))
	}
	if e.ErrorMessage != nil {
		rows = append(rows, []term.Cell{{Text: "error"}, {Text: *e.ErrorMessage, Paint: style.Red}})
	}
	return term.Table(indent, rows...)
}
