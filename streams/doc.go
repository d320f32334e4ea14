// Package streams is all that touches JetStream: it names the subjects, streams
// and buckets, and offers what the rest of the system does with them.
//
// A request lives in its function's stream (requests.go, intake.go), the record
// of its invocation in a bucket that has one writer function (records.go), what
// its executions leave behind in three more (yields.go, outcomes.go, logs.go),
// and what was deployed in the registry (projects.go, versions.go, functions.go).
// Workers have a connection of their own kind (link.go), which workers.go serves.
//
// # Errors
//
// Methods return errors that wrap this package's sentinels. ErrUnavailable after
// a write means that it is not known whether it was applied; every write here can
// be repeated.
package streams
