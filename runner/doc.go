// Package runner is the program inside a worker. It runs one execution: it asks
// for its assignment, has the user's Python run it, stores yields, output lines
// and the outcome, and ends.
//
//	runner ──┬── Link ─────────▶ dispatchers and streams
//	         │   hello, beat, yields, logs, outcome; ◀ what is desired
//	         └── child process: Python with the harness of package multinode
//	             commands ▶, ◀ events, ◀ stdout, ◀ stderr; interrupts as signals
//
// Python starts booting before anything is known of the assignment, while the
// runner connects and says hello.
//
// # Rules
//
//   - The first interrupt decides between CANCELLED and TIMED_OUT. Interrupted
//     code has Limits.Grace to end, then the whole process group is killed.
//   - The timeout counts from the moment at which the user's function begins, and
//     is kept by the runner itself.
//   - Without a connection for Limits.Lease, the user's code is killed: somebody
//     else may be given the work soon after. A connection over which nobody
//     answers is no reason to stop.
//   - Everything that was printed, and the last yield, are stored before the
//     outcome is, as far as Limits.Flush allows.
//   - When the main process of the user's code ends, what it has started and left
//     in its process group is killed.
//
// One goroutine, the loop in session.go, decides everything; the others only
// carry data to and from it. How facts become an outcome is in outcome.go.
package runner
