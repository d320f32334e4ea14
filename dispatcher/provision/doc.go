// Package provision is the contract between the dispatcher and the compute that
// workers run on: a process, a container, a task of a cloud. The dispatcher
// decides what is to run and when it is to end; a Provisioner starts it, finds
// it again, sees it end, and sweeps it up. It knows nothing of invocations,
// retries or outcomes.
//
// # One worker for one execution
//
// A worker runs one execution and is named by the execution's ID, everywhere
// and for ever. An execution is tried at most once: who wants another try makes
// another execution. From this follows all that makes a crash harmless:
//
//   - Launch is idempotent by execution ID, also across a restart of the
//     dispatcher and also when several dispatchers share the compute. However
//     often it is called, and wherever it was cut off before, at most one worker
//     is started. Called again it returns the same handle, even when the worker
//     has already ended: it never starts a second one. When the worker has ended,
//     its notice is sent again, so that a caller who missed it hears of it.
//   - A launch that was cut off before anything ran leaves something that List
//     shows as not Started. Launch completes it, Stop removes it. Nothing else is
//     left behind by a crash.
//   - Stop makes an end of whatever there is of the execution, complete or not,
//     and forgets it. After that the ID would start anew: stop only what the
//     record says is over. Stop also works with a zero handle, because the intent
//     to launch is recorded before the handle is known.
//
// # Finding workers again
//
// A Provisioner keeps no state in memory that it cannot find again. Opened anew
// it finds every worker of its place, watches those that live, and notices those
// that ended while nobody looked. List shows all of them; the dispatcher adopts
// what its records want and stops the rest. Whatever List or Launch has returned
// is watched from then on. Close lets go of all workers and leaves them running.
// Where the compute shows its workers late, that one is missing from List proves
// nothing: such a Provisioner is a Finder, too.
//
// Place says which workers a Provisioner can find. It goes into the record with
// the intent to launch: a dispatcher at another place must not take a worker that
// its own Provisioner does not know for lost, nor launch it a second time.
//
// # Notices
//
// Exits delivers a notice for every worker that is seen to end, whatever the
// cause, at least once: again by a Provisioner opened later, until Stop has swept
// the worker up. A notice says that nothing of the worker runs any more that could
// be found: what the runner left behind has been killed. It may come before
// Launch returns, after Stop, and for executions that the dispatcher never heard
// of. It is a hint that saves waiting for silence, never the only way to learn of
// an end: a host that burns down sends none.
//
// The channel is not buffered without bound: the dispatcher drains it always.
// While it does not, notices wait, and nothing else does.
//
// # Who cleans what
//
//   - The runner ends the user's code, and then itself: when its outcome is
//     stored, when it is told to leave, when its lease is over, and on SIGTERM.
//   - The provisioner kills what a runner leaves behind, as far as it is found,
//     and on Stop removes everything that Launch made: folders, copies of code,
//     credentials, containers. A failed Launch leaves nothing.
//   - The dispatcher calls Stop for every worker once, at settlement, and for what
//     List shows and no record wants. It revokes credentials. It never stops
//     anything without a fresh look at the record.
//
// # Errors
//
// Launch and Stop fail with an *Error that says what to do about it:
//
//   - NoCapacity: the compute is full. It is no failed attempt; the message is
//     shown as the reason for which the invocation waits.
//   - Transient: it may work when repeated, such as a full disk or a throttled
//     API. Repeating is safe, because everything here is idempotent.
//   - Permanent: it can never work; the invocation fails with the message.
//
// An error of another type, such as that of a context that ended, counts as
// Transient. RetryAfter is advice, before jitter.
//
// # What a worker is given
//
// The command is the project's own runner. Its environment is
// Intent.Environment, and what the provisioner adds: where its files are. It has
// its own copy of the project, which it may write to. Whether CPU and memory are
// enforced, and whether an out-of-memory kill is recognised, depends on the
// compute; each implementation says so in its own documentation.
//
// All methods may be called by many goroutines at a time. The suite in
// provisiontest is this page in executable form; every implementation passes it.
package provision
