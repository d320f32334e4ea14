package show

import (
	"strconv"
	"strings"

	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// indent is that of what belongs to a heading.
const indent = "  "

// What can be done with a project, in a list.
const (
	Ready           = "ready"
	NoneReady       = "no version is ready"
	BeingUndeployed = "being undeployed"
)

// ListedProject is a project in a list.
type ListedProject struct {
	wire.ProjectInfo
	State string `json:"state"`
}

// Projects is the list of projects.
func Projects(projects []ListedProject, style term.Style) string {
	rows := [][]term.Cell{heading(style, "PROJECT", "CREATED", "STATE")}
	for _, p := range projects {
		state := term.Cell{Text: p.State, Paint: style.Yellow}
		if p.State == Ready {
			state.Paint = style.Green
		}
		rows = append(rows, []term.Cell{{Text: p.ProjectName, Paint: style.Bold}, {Text: Time(p.CreationTime)}, state})
	}
	return term.Table("", rows...)
}

func heading(style term.Style, texts ...string) []term.Cell {
	cells := term.Plain(texts...)
	for i := range cells {
		cells[i].Paint = style.Dim
	}
	return cells
}

// Project is a project with its versions; latest is the ID of the one that
// serves, or empty.
func Project(p wire.ProjectInfo, versions []wire.VersionSummary, latest string, style term.Style) string {
	var b strings.Builder
	b.WriteString(style.Bold("Project "+term.OneLine(p.ProjectName)) + "\n")
	facts := [][]term.Cell{term.Plain("created", Time(p.CreationTime))}
	if p.DeletionRequestTime != nil {
		facts = append(facts, []term.Cell{{Text: "state"}, {Text: "is being undeployed since " + Time(*p.DeletionRequestTime), Paint: style.Yellow}})
	}
	b.WriteString(term.Table(indent, facts...))

	b.WriteString("\n" + style.Bold("Versions") + "\n")
	if len(versions) == 0 {
		b.WriteString(indent + "none\n")
	}
	var rows [][]term.Cell
	for _, v := range versions {
		note := ""
		if v.VersionID == latest {
			note = "latest"
		}
		rows = append(rows, []term.Cell{{Text: v.VersionID}, {Text: Time(v.CreationTime)}, versionState(v.State, style), {Text: note}})
	}
	b.WriteString(term.Table(indent, rows...))
	return b.String()
}

func versionState(s wire.VersionState, style term.Style) term.Cell {
	c := term.Cell{Text: string(s)}
	switch s {
	case wire.VersionReady:
		c.Paint = style.Green
	case wire.VersionFailed:
		c.Paint = style.Red
	case wire.VersionPreparing:
		c.Paint = style.Yellow
	}
	return c
}

// Version is a version with its functions. Counts says how many invocations each
// function has; nil leaves the column out.
func Version(v wire.VersionInfo, counts map[string]string, style term.Style) string {
	var b strings.Builder
	b.WriteString(style.Bold("Version "+v.VersionID) + "\n")
	b.WriteString(term.Table(indent,
		term.Plain("created", Time(v.CreationTime)),
		[]term.Cell{{Text: "state"}, versionState(v.State, style)},
	))
	if v.Failure != nil && *v.Failure != "" {
		b.WriteString("\n" + style.Bold("Failure") + "\n" + Block(*v.Failure))
	}
	b.WriteString("\n" + style.Bold("Functions") + "\n")
	if len(v.Functions) == 0 {
		b.WriteString(indent + "none\n")
		return b.String()
	}
	b.WriteString(Functions(v.Functions, counts, style))
	return b.String()
}

// Functions is a table of functions.
func Functions(functions []wire.FunctionInfo, counts map[string]string, style term.Style) string {
	names := []string{"NAME", "CPU", "MEMORY", "CONCURRENCY", "RETRIES", "TIMEOUT"}
	if counts != nil {
		names = append(names, "INVOCATIONS")
	}
	rows := [][]term.Cell{heading(style, names...)}
	for _, f := range functions {
		row := term.Plain(f.FunctionName,
			strconv.FormatFloat(f.ResourceSpec.VirtualCPUs, 'f', -1, 64),
			Memory(f.ResourceSpec.MemoryGBs),
			strconv.Itoa(f.ResourceSpec.MaxConcurrency),
			strconv.Itoa(f.ExecutionSpec.MaxRetries),
			Seconds(f.ExecutionSpec.TimeoutSeconds))
		row[0].Paint = style.Bold
		if counts != nil {
			row = append(row, term.Cell{Text: counts[f.FunctionName]})
		}
		rows = append(rows, row)
	}
	return term.Table(indent, rows...)
}

// Block is a text of many lines, indented, without control characters.
func Block(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		b.WriteString(indent + term.Printable(line) + "\n")
	}
	return b.String()
}
