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
//	settle.go: outcome ─▶ record ─▶ stop the worker ─▶ ack, or nak for a retry
//
// Beside the leases run one loop a file: workers.go answers workers, cancel.go
// carries cancels to descendants, versions.go prepares what was deployed,
// undeploy.go takes projects apart, reap.go stops workers that belong to nobody.
//
// # The order of writes
//
// The intent to launch is stored before the launch, so that a worker can always
// be traced to a record. The outcome is stored before the record says how the
// execution ended, and the record before the request is acked: after a crash
// between any two of these, whoever gets the request next finds what is missing
// and repeats the rest.
package dispatcher
