// Package wire holds the JSON types of the REST API and its table of errors, for
// the gateway and for every client of it.
//
// Times are whole Unix seconds. A pointer without omitempty is an optional value
// that is present as null. The tags other than json describe the bounds that a
// server checks and that the OpenAPI document shows.
package wire
