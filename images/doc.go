// Package images makes the container images that executions run in, without a
// container engine: it reads a base from a registry, puts layers on top of it and
// pushes what the registry has not got yet.
//
// An image is its base, by digest, and up to three layers:
//
//	dependencies  /opt/multinode           a virtual environment, see package builder
//	runner        /usr/local/bin/multinode this program, static
//	code          /app                     the project
//
// The same content gives the same bytes: entries are sorted, and times, owners and
// modes are fixed. So a change of code alone uploads one layer, and a version that
// is built again gets the digest that it had.
package images
