package term

import "strings"

// Cell is one field of a table; its paint does not count for its width.
type Cell struct {
	Text  string
	Paint func(string) string
}

// Plain makes cells without paint.
func Plain(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, t := range texts {
		cells[i] = Cell{Text: t}
	}
	return cells
}

// Table lays rows out in columns two spaces apart, each line behind indent. A
// row's last cell is not padded, so that no line ends in spaces.
func Table(indent string, rows ...[]Cell) string {
	var widths []int
	for _, row := range rows {
		for i, c := range row[:max(len(row)-1, 0)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(OneLine(c.Text)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for len(row) > 0 && row[len(row)-1].Text == "" {
			row = row[:len(row)-1]
		}
		b.WriteString(indent)
		for i, c := range row {
			text := OneLine(c.Text)
			pad := ""
			if i < len(row)-1 {
				pad = strings.Repeat(" ", widths[i]-columns(text)+2)
			}
			if c.Paint != nil {
				text = c.Paint(text)
			}
			b.WriteString(text + pad)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
