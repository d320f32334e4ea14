// Package failpoint names the instants between two writes at which a crash would
// hurt most. In a normal build a Hit is nothing at all. A program built with
// -tags failpoints kills itself at the instants that its environment names, which
// is how the fault suite (package faults) proves that they do no harm.
//
// A point is named <room>.<what was just done>, as in "dispatcher.intended": the
// intent is stored and nothing is launched yet.
package failpoint
