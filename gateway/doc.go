// Package gateway serves the REST API over HTTP.
//
// One table, in routes.go, names every path with its handler, the role it takes
// and its errors. Registration, authentication and the OpenAPI document all come
// from it. A handler is given decoded values and returns a value of package wire
// or an error; one place (problem.go) turns errors into answers.
//
// The gateway keeps no state of its own but the records that it is about to
// create (creations.go): any number of gateways can serve the same store.
package gateway
