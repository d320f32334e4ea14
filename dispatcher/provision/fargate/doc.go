// Package fargate is the Provisioner that runs each worker as a task of Amazon
// ECS on AWS Fargate.
//
// # At most one task for an execution
//
// A task names its execution in startedBy, and is launched with a client token
// made of the execution and a number. The service answers a token that it knows
// with what it answered before, until an hour after the task's stop. So whoever
// launches an execution, wherever an earlier launch was cut off, and whatever the
// API does not show yet, gets the same task. An answer that got lost is asked for
// again with the same token. A refusal for want of capacity is remembered by the
// service as well: the next attempt takes the next number. Credentials are made
// anew for each attempt, and the service refuses a known token with other
// parameters; then the task is looked up by startedBy.
//
// A task is looked up only where the token does not answer the question, because
// all reads of the account share 20 calls a second. What was clearly refused is not
// looked for. The service shows a new task after a while only: that it shows none
// proves nothing for some minutes (Find), and a launch that meets an unseen one waits
// for it.
//
// # Turns
//
// Launches are asked for at a rate below the account's (turns.go). One whose turn is
// not near is refused as for want of capacity, and keeps its turn for when it comes
// back.
//
// # Stop
//
// The service asks a task to end with SIGTERM, and kills it after the stop timeout
// of its definition, at most two minutes: the grace that Stop is given is not
// shortened, nor is it lengthened beyond that. The runner ends on SIGTERM by
// itself, within seconds. A task of which nothing had begun to run when the service
// took the stop has ended thereby, though some stay in PENDING. A stopped execution is not launched again by the same
// provisioner; elsewhere the token leads to the stopped task.
//
// # Ended tasks
//
// The service shows ended tasks for an hour, and nothing can be noted on them.
// A task that was ended by Stop is known by its reason. One that had ended by itself
// before it was stopped may be listed again, as ended, by a provisioner that is
// opened within that hour; a caller stops it once more. Only ends from before
// the opening are looked for in that way; from then on each worker is watched.
//
// The end of a container is noticed by its own state, because the state of the
// task follows some 35 seconds later. Memory and CPU are enforced, and an
// out-of-memory kill is recognised by exit code and reason.
//
// A task that does not start, because it never leaves PENDING, for want of capacity,
// or because its container cannot be made, ends in a notice with NotStarted: nothing
// of it ran. Its reason tells whether another launch may work (explain.go).
//
// # What others can read
//
// The environment of a worker, with its credentials, is part of the task and is
// shown to whoever may call DescribeTasks. The credentials are good for that one
// execution.
package fargate
