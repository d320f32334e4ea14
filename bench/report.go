package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// report prints figures beside their floors.
type report struct{ out io.Writer }

func (r *report) title(text string) { _, _ = fmt.Fprintf(r.out, "\n%s\n", text) }

func (r *report) line(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, "  "+format+"\n", args...)
}

// against prints a distribution beside its floor and the ratio that is aimed at.
func (r *report) against(what string, got, floor samples, aim float64) {
	ratio := float64(got.quantile(0.5)) / float64(floor.quantile(0.5))
	r.line("%-34s p50 %8s  p99 %8s   floor p50 %8s  ratio %.2f (aim at most %.1f)",
		what, short(got.quantile(0.5)), short(got.quantile(0.99)), short(floor.quantile(0.5)), ratio, aim)
}

// samples are durations of the same thing.
type samples []time.Duration

// quantile returns the sample at a fraction of the sorted ones; 0 without any.
func (s samples) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond))
	}
}

// repeat times do n times.
func repeat(n int, do func() error) (samples, error) {
	taken := make(samples, 0, n)
	for range n {
		begun := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		taken = append(taken, time.Since(begun))
	}
	return taken, nil
}
