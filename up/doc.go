// Package up assembles what runs: the whole system in one process (Start), a
// gateway by itself (StartGateway) and a dispatcher by itself (StartDispatcher).
// They are `multinode up`, `multinode gateway` and `multinode dispatcher`; the demo,
// the benchmarks and the end-to-end tests start them in the same way.
//
// The three share their parts: core (a line to NATS, the store, its index), serve
// (the API on its port) and dispatch (workers and whoever looks after them).
//
// The data folder holds everything that outlives the process; by itself a gateway
// has the read model and the port only, and a dispatcher no NATS:
//
//	nats/      the streams, with the accounts' keys and the port
//	index.db   the read model; it may be deleted
//	builds/    prepared versions and their Python environments; made again as needed
//	workers/   a folder for each worker that lives
//	images/    with containers: the registry of their images; its port and password lie beside it
//	removing/  what is being removed of those that ended
//	api-key    the API key, where none was given
//	api-port   the port of the API
//	lock       held while a process uses the folder
package up
