// Package up runs the whole system in one process: the embedded NATS server, the
// gateway and the dispatcher, on one data folder. It is what `multinode up` is,
// and how the demo, the benchmarks and the end-to-end tests start it.
//
// The data folder holds everything that outlives the process:
//
//	nats/      the streams, with the accounts' keys and the port
//	index.db   the read model; it may be deleted
//	builds/    prepared versions and their Python environments; made again as needed
//	workers/   a folder for each worker that lives
//	removing/  what is being removed of those that ended
//	api-key    the API key, where none was given
//	api-port   the port of the API
//	lock       held while a system uses the folder
package up
