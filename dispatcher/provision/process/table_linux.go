package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ticksPerSecond is the unit of start times in /proc; it is the same on every
// architecture that Go runs on.
const ticksPerSecond = 100

var errMalformed = errors.New("malformed")

var bootID = sync.OnceValue(func() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
})

// lookup reads one line of the process table.
func lookup(pid int) (entry, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return entry{}, err
	}
	return parseStat(pid, data)
}

// parseStat reads the format of proc_pid_stat(5).
func parseStat(pid int, data []byte) (entry, error) {
	// The name in parentheses may contain anything, also parentheses.
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return entry{}, errMalformed
	}
	fields := bytes.Fields(data[end+1:])
	if len(fields) < 20 {
		return entry{}, errMalformed
	}
	e := entry{pid: pid}
	threads := 0
	for _, number := range [...]struct {
		field  int
		target *int
	}{{1, &e.parent}, {2, &e.group}, {3, &e.session}, {17, &threads}} {
		n, err := strconv.Atoi(string(fields[number.field]))
		if err != nil {
			return entry{}, errMalformed
		}
		*number.target = n
	}
	// The state is that of the first thread. While others run, so does the process,
	// and it cannot be reaped.
	e.zombie = (fields[0][0] == 'Z' || fields[0][0] == 'X') && threads <= 1
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return entry{}, errMalformed
	}
	e.start = start
	return e, nil
}

// table reads the process table. Processes that come and go meanwhile may be
// missing.
func table() ([]entry, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = proc.Close() }()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if e, err := lookup(pid); err == nil {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// hasVariable tells whether the process was started with this variable, given as
// "NAME=value". It is false for processes that we may not look into.
func hasVariable(pid int, variable string) bool {
	folder := "/proc/" + strconv.Itoa(pid)
	for tries := 0; ; tries++ {
		data, err := os.ReadFile(folder + "/environ")
		if err != nil {
			return false
		}
		if len(data) > 0 || tries == becoming {
			return bytes.HasPrefix(data, []byte(variable+"\x00")) || bytes.Contains(data, []byte("\x00"+variable+"\x00"))
		}
		if _, err := os.Readlink(folder + "/exe"); err != nil {
			return false // the kernel's own have neither program nor environment
		}
		time.Sleep(time.Millisecond)
	}
}

// becoming is how many milliseconds an empty environment is doubted: while a
// process becomes another program, the kernel shows none.
const becoming = 20

// startedAt converts a start time of the table.
func startedAt(start uint64) time.Time {
	data, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "btime "); ok {
			boot, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				break
			}
			return time.Unix(boot, 0).Add(time.Duration(start) * time.Second / ticksPerSecond)
		}
	}
	return time.Now() // unknown: as young as can be
}
