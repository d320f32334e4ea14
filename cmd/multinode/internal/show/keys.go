package show

import (
	"time"

	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// Keys is a table of API keys. Expired ones are marked as such by the time now.
func Keys(keys []wire.APIKeyInfo, now time.Time, style term.Style) string {
	rows := [][]term.Cell{heading(style, "KEY ID", "NAME", "ROLE", "PROJECT", "CREATED", "EXPIRES")}
	for _, k := range keys {
		project := "all"
		if k.ProjectName != nil {
			project = *k.ProjectName
		}
		expires := term.Cell{Text: "never"}
		if k.ExpirationTime != nil {
			expires.Text = Time(*k.ExpirationTime)
			if *k.ExpirationTime <= now.Unix() {
				expires = term.Cell{Text: "has expired", Paint: style.Red}
			}
		}
		name := k.Name
		if k.IsServersOwn {
			name += " (the server's own)"
		}
		rows = append(rows, []term.Cell{
			{Text: k.KeyID, Paint: style.Bold}, {Text: name}, {Text: string(k.Role)}, {Text: project}, {Text: Time(k.CreationTime)}, expires,
		})
	}
	return term.Table("", rows...)
}
