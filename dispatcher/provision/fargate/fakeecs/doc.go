// Package fakeecs is a stand-in for Amazon ECS, and for the queue and the logs
// beside it, for tests: an HTTP server that the real AWS SDK talks to. It holds
// requests to the service's rules, takes tasks through the service's states,
// runs a process or a stub for each, and fails in the ways in which the service
// is known to fail.
//
// It is stricter than it is complete: what the fargate provisioner does not use is
// refused with UnknownOperationException, and what it must not do is refused
// with the service's own error.
package fakeecs
