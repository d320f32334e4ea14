// Package embedded runs a nats-server inside this process: JetStream on disk,
// three accounts, and credentials that are minted for one execution each.
//
// # Accounts
//
// The server runs in operator mode with a memory resolver. The operator's key
// and the signing keys are made once and kept in the data folder; the account
// claims are built from them at every start, so that they follow the code.
//
//	system   the server's own
//	app      gateway and dispatchers: JetStream lives here
//	workers  user code: no JetStream, and of app only what is imported below
//
// Everything that a worker may say to app is a service import, so that replies
// come back over a subject that the server makes up. What a worker gives as
// reply subject is only ever used inside the workers' account: it cannot name
// an ack, a JetStream API call or anything else of app. Within the account it
// cannot name what a sibling publishes or is told (a mapping sees to that);
// only an inbox can be named, and inboxes end in what nobody can guess.
//
// # Data folder
//
//	lock                  held while the server runs; contains the process ID
//	nats/identity.json    keys (mode 0600)
//	nats/listen.json      the port
//	nats/jetstream/       what is stored
//
// The port is kept, so that workers that outlive a restart find the server
// again at the same URL with the same credentials.
package embedded
