// Package embedded runs a nats-server inside this process: JetStream on disk, and
// the accounts of package trust.
//
// The server runs in operator mode: who may do what is the business of package
// trust. The account claims are built from the authority's keys at every start.
//
// # Data folder
//
//	lock                  held while the server runs; contains the process ID
//	nats/identity.json    the authority's keys (mode 0600)
//	nats/listen.json      the port
//	nats/jetstream/       what is stored
//
// The port is kept, so that workers that outlive a restart find the server
// again at the same URL with the same credentials.
package embedded
