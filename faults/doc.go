// Command faults proves that no crash breaks a promise about an invocation's life.
//
//	go run ./faults -duration 10m -seed 7
//
// It builds the binary with fail points, starts it as real processes on a folder of
// its own, deploys a small project, and lets clients start, read and cancel
// invocations while it kills, pauses and restarts whatever it finds. Then it lets
// the system come to rest and looks at all that is stored, and at the process
// table, for a broken promise (check.go). It prints the invocations, the faults by
// kind, the violations and the seed, and exits with 1 where there is a violation.
//
// With -several, gateways and dispatchers run by themselves on a NATS server; with
// -cluster, on three, of which one at a time is killed, or cut off from the network
// (that takes root). MULTINODE_FAULTS_BINARY names a binary to use instead of
// building one, made with -tags failpoints.
//
// Every fail point of the source is armed and kills one process, once; see package
// failpoint. The tests are the short form of the same. With -points, the program
// looks for every one of them, and fails where one is not reached.
package main
