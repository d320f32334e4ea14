// Package process is the Provisioner that runs each worker as a process of this
// machine, in a session of its own and in a folder of its own. It runs on Linux
// and macOS.
//
// CPU and memory are not enforced: a process takes what it gets. An
// out-of-memory kill is recognised only where the kernel counts it for the
// worker's cgroup (Linux); otherwise the notice says that SIGKILL ended it. A
// worker lives on this machine alone: a provisioner on another one, or with
// another folder, finds nothing of it, and its Stop returns nil. Such a worker
// ends by being told to leave, or by its lease.
//
// # The folder
//
//	<dir>/workers/<execution>/   0700
//	    lock           held while it is being launched, and by the runner while it lives
//	    runner.creds   0600, the worker's credentials
//	    project/       the worker's own copy of the project, its working directory
//	    runner.log     what the runner itself prints, bounded
//	    worker.json    the intent, and then pid, start time and boot of the process
//	    started        made by the process itself, right before it becomes the runner
//	    removal        held by Stop while it removes the folder
//	    stopping       made by Stop before it ends anything
//	    group          written by the runner: the process group of the user's code
//	<dir>/removing/              folders on their way out
//	<dir>/place                  made once, at random: part of the place's name
//
// # How a launch survives a crash between any two steps
//
//  1. Make the folder and take flock(2) on its lock. Who has the lock is alone
//     with the folder; when he dies, the kernel takes it away from him.
//  2. Empty the folder of an earlier, cut-off launch; write worker.json with the
//     intent, by which List tells whose it is; write credentials, copy the project.
//  3. Start /bin/sh in a new session, with the lock and the reading end of a pipe.
//     The shell waits at the pipe. It is of one open file with the launcher, so
//     that there is no instant at which nobody holds the lock.
//  4. Write worker.json with the process: while the process waits, its pid cannot be that of
//     another.
//  5. Write "go" to the pipe. The shell makes the file "started" and becomes the
//     runner by exec: same pid, same start time, same lock.
//
// If the launcher dies before step 5, the shell reads the end of the pipe and
// exits, and the lock is free: the next Launch begins anew. If he dies after it,
// the worker is complete and recorded. Nobody has to guess from pids: without
// "started" nothing has run; with it, worker.json names the process that did. Who
// finds the lock taken and no "started" waits for one of the two to change.
//
// A shell is used because it starts in a millisecond and is on each machine that
// can run the workers' Python from a virtual environment; the project's own binary
// would take tens of times as long.
//
// A worker is alive when a process with its pid, start time and boot exists and
// is no zombie. The lock is not asked for that, because user code may inherit it
// and outlive the runner.
//
// # What belongs to a worker
//
// The runner and its descendants; each process whose environment carries the
// execution's MULTINODE_EXECUTION_ID, which descendants inherit; and all of each
// session or process group that is led by one of those. That is what Stop and a
// seen end kill, with SIGKILL. A process escapes only if it gives up its parent,
// its session and its environment, all three, before anybody looks, or if it
// becomes another user's.
//
// Signals go by pid only after pid and start time were compared, on Linux through
// a pidfd, so that a reused pid is never hit.
//
// # Supervised dispatchers
//
// Workers are meant to outlive the dispatcher. Under systemd this takes
// KillMode=process; in a container they end with it. As pid 1 of a container the
// dispatcher needs an init beside it that reaps orphans (docker run --init).
package process
