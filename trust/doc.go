// Package trust is who may do what on NATS: the operator that vouches for the
// accounts, the accounts' claims, and the credentials that are minted for
// clients and for one execution each. It knows JWTs and keys, and no server.
//
// # Accounts
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
// # The authority's file
//
// The operator's key and the signing keys are made once and kept in one file.
// Whoever has it can mint credentials for everything: it belongs to the server
// and to dispatchers. The claims are built from the keys each time, so that they
// follow the code.
package trust
