package show

import (
	"fmt"
	"strconv"
	"strings"

	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// childCounts is how many children an invocation has, by status.
func childCounts(c wire.Children) string {
	var parts []string
	for _, s := range (wire.Status("")).Enum() {
		status, _ := s.(wire.Status)
		if n := c.Counts[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	text := strconv.Itoa(total(c))
	if !c.Complete {
		text = "the newest " + text
	}
	return text + " (" + strings.Join(parts, ", ") + ")"
}

func total(c wire.Children) (n int) {
	for _, of := range c.Counts {
		n += of
	}
	return n
}

// children is a table of the newest ones.
func children(c wire.Children, style term.Style) string {
	title := "Children"
	if total(c) > len(c.Newest) {
		title = fmt.Sprintf("Newest %d children", len(c.Newest))
	}
	rows := [][]term.Cell{heading(style, "ID", "FUNCTION", "STATUS", "CREATED", "UPDATED")}
	for _, i := range c.Newest {
		rows = append(rows, []term.Cell{
			{Text: i.InvocationID}, {Text: i.FunctionName}, Status(i.Status, style),
			{Text: Time(i.CreationTime)}, {Text: Time(i.LastUpdateTime)},
		})
	}
	return "\n" + style.Bold(title) + "\n" + term.Table(indent, rows...)
}
