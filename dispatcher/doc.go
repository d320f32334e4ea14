// Package dispatcher carries accepted invocations to their end: it pulls
// requests, launches a worker for each, watches over it, and settles the result.
// Any number of dispatchers share the work; each may crash at any step.
//
// # The lease
//
// A request that JetStream delivered and nobody acked is a lease: the dispatcher
// that received it owns the invocation's live execution. It renews the lease
// every multinode.RenewInterval; one that was not renewed for multinode.AckWait
// is delivered to another dispatcher. The un-acked request is also what takes up
// a slot of the function's quota. One goroutine drives each lease (lease.go);
// whatever concerns it (a worker's hello, an outcome, an exit, a cancel) reaches
// it as a notice, so that nothing of a lease is locked.
//
// The lease is not what keeps two dispatchers apart: a paused one may wake up
// after its lease went to another. What keeps them apart is the record, which is
// changed by compare and set only, and the outcome, which is written once.
//
//	delivered ── begin.go: read the record ─┬─ terminal ─────────────▶ stop worker, ack
//	                                        ├─ cancelled ancestor ───▶ CANCELLED, ack
//	                                        ├─ a live execution ─────▶ adopt, watch
//	                                        └─ none ── intend ─▶ launch.go ─▶ watch
//	watch (lease.go) ── outcome stored, by the worker or as a verdict (verdict.go)
//	settle.go: outcome ─▶ record ─▶ ack, or nak for a retry; a worker that has not
//	           ended by its own outcome is stopped before the answer
//
// A request that is delivered to the same dispatcher once more gets a new lease,
// and the older one ends without a word. What may take longer than the lease
// lasts, such as a launch, has it renewed beside it (renew.go).
//
// # Without an owner
//
// Where an owner was killed, its lease would run out for up to multinode.AckWait. Two
// things do not wait for that. An outcome that was stored meanwhile is brought into the
// record by any dispatcher that hears of it and sees that its owner does not
// (unowned.go); only the answer to the request needs a lease. And a dispatcher that
// starts looks at all that was delivered and has not ended (pickup.go): it asks the
// others what they hold and has the rest delivered again at once. It looks again every
// minute, since the server counts leases by a clock that may be set back. Calling a request
// back from an owner that is merely slow is harmless: two leases on it are.
//
// # Slots
//
// The server holds to the quota what it delivers for the first time. What it delivers
// again comes in any case, so that a quota that was lowered is held by the records
// (slots.go).
//
// # Time
//
// Leases measure time by the monotonic clock. An adopter counts on from the times in the
// record as far as a wrong wall clock can do no harm (clocks.go), so that nothing that
// only beats holds a slot: not before it announced itself, not beyond its time and its
// grace, and not in the place of a worker that its provisioner does not know any more.
//
// # Places
//
// The intent names the place of the provisioner that is to launch the worker. Who
// adopts an execution of its own place asks its provisioner: a worker that lives
// is watched, an intent is launched again, and what has gone is settled at once.
// Elsewhere the owner asks the dispatchers of that place (places.go), at the
// adoption and whenever the worker is silent: what has gone is settled, or taken
// back, at once. Where nobody answers, silence decides, for multinode.LostAfter, or
// for multinode.StartDeadline where it has not announced itself yet. Then the
// execution is given up by a write, and the reaper of its own place stops what may
// be left. A launch that came to nothing, or that the stop of its dispatcher cut
// short, is taken back and uses up no try (postpone.go).
//
// A worker that has nothing but HTTP (presence.go) neither beats nor listens. Its
// lease is the provisioner's word, its time is kept here, and an interrupt is a
// stop with grace.
//
// Beside the leases run one loop a file: workers.go answers workers, strangers.go
// those that no lease wants any more, cancel.go carries cancels to descendants, several
// at a time and each in turns (cancelqueue.go), orphans.go finds those that a crash left out, versions.go prepares what was
// deployed, undeploy.go takes projects apart, reap.go stops workers that belong to
// nobody.
//
// # The order of writes
//
// The intent to launch is stored before the launch, so that a worker can always
// be traced to a record. The outcome is stored before the record says how the
// execution ended, and the record before the request is acked: after a crash
// between any two of these, whoever gets the request next finds what is missing
// and repeats the rest.
package dispatcher
