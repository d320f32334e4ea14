// Package multinode holds the vocabulary of the system: what a function asks
// for, what is recorded of an invocation and its executions, and the one
// function, Next, by which a record changes. It uses the standard library only.
//
// An invocation is one request to run a function. An execution is one try of
// it. A worker is the process or container that runs an execution.
//
// # The life of an invocation
//
//	                   LaunchDeferred
//	                  ┌──────────────┐ (execution taken back)
//	                  ▼              │
//	Accepted ──▶ PENDING ── LaunchIntended ──▶ PENDING, execution STARTING
//	              │  ▲                                   │
//	              │  │ ExecutionEnded,                   │ WorkerStarted
//	CancelRequested  │ a failure with a try left         ▼
//	              │  └────────────────────────────── RUNNING ──┐
//	              ▼                                      │     │ ExecutionEnded
//	          CANCELLED            CancelRequested       │     ▼
//	              ▲                while STARTING or     │  SUCCEEDED, FAILED,
//	              │                RUNNING               │  TIMED_OUT
//	              │ ExecutionEnded                       ▼
//	              └────────────────────────────── CANCELLING
//	                                (or SUCCEEDED, where that was stored first)
//
// SUCCEEDED, FAILED, CANCELLED and TIMED_OUT are terminal: nothing changes such
// a record again. An execution goes STARTING → RUNNING → ENDED, and may skip the
// middle.
//
// Of two interrupts the first decides: a time-out that comes after a cancel
// leaves it CANCELLED, and the other way round. After either there is no retry.
package multinode
