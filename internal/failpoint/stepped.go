//go:build steppedclock

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// every is how often a process looks whether its clock is to be stepped.
const every = 50 * time.Millisecond

// In a program built with -tags steppedclock, and with package time as the fault
// suite alters it (time.Step is nowhere else), the file that ClockVariable names
// says by how many nanoseconds the wall clock is wrong.
func init() {
	name := os.Getenv(ClockVariable)
	if name == "" {
		return
	}
	follow := func() {
		text, err := os.ReadFile(name)
		if err != nil {
			return
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			time.Step(time.Duration(n))
		}
	}
	follow()
	go func() {
		for range time.Tick(every) {
			follow()
		}
	}()
}
