package process

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// zombieState is SZOMB of <sys/proc.h>.
const zombieState = 5

var bootID = sync.OnceValue(func() string {
	id, _ := unix.Sysctl("kern.bootsessionuuid")
	return id
})

// lookup reads one line of the process table.
func lookup(pid int) (entry, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return entry{}, err
	}
	return newEntry(info), nil
}

func newEntry(info *unix.KinfoProc) entry {
	pid := int(info.Proc.P_pid)
	session, _ := unix.Getsid(pid)
	start := info.Proc.P_starttime
	return entry{
		pid:     pid,
		parent:  int(info.Eproc.Ppid),
		group:   int(info.Eproc.Pgid),
		session: session,
		start:   uint64(start.Sec)*1_000_000 + uint64(start.Usec),
		zombie:  info.Proc.P_stat == zombieState,
	}
}

// table reads the process table.
func table() ([]entry, error) {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(infos))
	for i := range infos {
		entries = append(entries, newEntry(&infos[i]))
	}
	return entries, nil
}

// hasVariable tells whether the process was started with this variable, given as
// "NAME=value". It is false for processes that we may not look into.
func hasVariable(pid int, variable string) bool {
	data, err := unix.SysctlRaw("kern.procargs2", pid)
	return err == nil && bytes.Contains(data, []byte("\x00"+variable+"\x00"))
}

// startedAt converts a start time of the table.
func startedAt(start uint64) time.Time { return time.UnixMicro(int64(start)) }
