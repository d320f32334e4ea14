// Package show writes what the API returns as text for people.
package show

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// Time is a moment of the API in local time.
func Time(unix int64) string {
	return time.Unix(unix, 0).Format("2006-01-02 15:04:05")
}

// Memory is a size in GiB, as one would write it in main.py.
func Memory(gib float64) string {
	if mib := gib * 1024; gib < 1 {
		return strconv.FormatFloat(mib, 'f', -1, 64) + " MiB"
	}
	return strconv.FormatFloat(gib, 'f', -1, 64) + " GiB"
}

// Seconds is a duration without its empty parts.
func Seconds(seconds int) string {
	if seconds == 0 {
		return "0s"
	}
	h, m, s := seconds/3600, seconds/60%60, seconds%60
	var parts []string
	for _, p := range []struct {
		n    int
		unit string
	}{{h, "h"}, {m, "m"}, {s, "s"}} {
		if p.n > 0 {
			parts = append(parts, strconv.Itoa(p.n)+p.unit)
		}
	}
	return strings.Join(parts, " ")
}

// Count writes a number of things.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Size is a number of bytes in a unit that fits.
func Size(bytes int64) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// Status is a status word, and its colour.
func Status(s wire.Status, style term.Style) term.Cell {
	return term.Cell{Text: string(s), Paint: statusPaint(s, style)}
}

func statusPaint(s wire.Status, style term.Style) func(string) string {
	switch s {
	case wire.StatusSucceeded:
		return style.Green
	case wire.StatusFailed, wire.StatusTimedOut:
		return style.Red
	case wire.StatusCancelled, wire.StatusCancelling:
		return style.Yellow
	case wire.StatusRunning:
		return style.Cyan
	default:
		return nil
	}
}

// Progress is an invocation's status with what more there is to say of it.
func Progress(i wire.InvocationInfo) string {
	text := string(i.Status)
	switch {
	case i.NumFailedAttempts == 0:
	case i.Status.Terminal():
		text += ", " + Count(i.NumFailedAttempts, "failed attempt")
	default:
		text += ", " + failedTries(i)
	}
	if i.WaitingReason == nil || *i.WaitingReason == "" || i.Status.Terminal() {
		return text
	}
	// How many tries have failed is said already.
	if _, next, found := strings.Cut(*i.WaitingReason, "; "); found && strings.HasPrefix(*i.WaitingReason, "between tries: ") {
		return text + "; " + next
	}
	return text + ": " + *i.WaitingReason
}

// longestFailure bounds a try's error where it stands beside the status, in columns.
const longestFailure = 200

// failedTries says how many tries have failed, and why the newest of them did.
func failedTries(i wire.InvocationInfo) string {
	have := "have"
	if i.NumFailedAttempts == 1 {
		have = "has"
	}
	text := fmt.Sprintf("%d of %s %s failed", i.NumFailedAttempts, tries(i.ExecutionSpec.MaxRetries+1), have)
	newest := slices.IndexFunc(i.Executions, func(e wire.ExecutionSummary) bool {
		return e.Outcome != nil && *e.Outcome == wire.OutcomeFailed
	})
	if newest < 0 {
		return text
	}
	if why := i.Executions[newest].ErrorMessage; why != nil && *why != "" {
		text += " (" + term.Cut(term.OneLine(*why), longestFailure) + ")"
	}
	return text
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// Arguments is a JSON array as the arguments of a call, cut to a readable length.
func Arguments(array []byte) string {
	text := strings.TrimSuffix(strings.TrimPrefix(string(array), "["), "]")
	return term.Cut(text, 36)
}
