// Package index is a read model of the invocation records: newest-first lists
// with filters, children, counts and what is unfinished. JetStream's key-value
// bucket answers none of these without reading everything; this package keeps
// them ready in a bbolt file that is fed from the bucket's stream.
//
// The file is disposable. It holds nothing that the bucket does not, so it is
// never repaired: a file that is missing, damaged, of another schema, or out of
// step with the bucket is made again from revision 0.
//
// # Layout
//
// Names may be 4 KB long, so keys hold the first 16 bytes of a SHA-256 over the
// length-prefixed parts instead. A key never has to be turned back into names:
// the entry holds them.
//
//	bucket      key                                                    value
//	entries     list 16 · ^created 8 · ^sequence 8 · invocation 16     the encoded Entry
//	places      project 16 · invocation 16                             the key in entries
//	lists       list 16 · ^created 8 · ^sequence 8 · invocation 16     nothing
//	unfinished  project 16 · function 16 · sequence 8 · invocation 16  1 if it holds a slot, or 0
//	finished    updated 8 · project 16 · invocation 16                 nothing
//	counts      project 16 · function 16                               a counter per status
//	meta        schema, applied, at, boot                              see below
//
// A list is named by the hash of what its members have in common:
//
//	function, status                      the list that an entry itself is stored in
//	function, status, version             every entry is also in one of these
//	parent, function, status              those with a parent are in this,
//	parent, function, status, version     … this
//	parent                                … and this (the children)
//
// There is no list for "any status": a page of any set of statuses is a merge of
// one cursor per status, at most seven. So a page costs one seek per status,
// however long the history is, and an entry that changes its status moves in two
// lists (four with a parent) instead of many. Entries that are listed together
// lie side by side in the file, so that a page of them is read from few pages of
// the file; a narrower list finds them there by the same place.
//
// Created-at and sequence stand inverted in the key, so that walking forward is
// newest first; the hash at the end makes the order total. A page's cursor is
// the order part of its last key: it names a place between two keys, so it stays
// right when entries come and go around it, after a restart, after a rebuild,
// and in another process.
//
// # Feeding
//
// Changes are applied in the order of their revisions, a batch per transaction,
// and the last revision goes into the same transaction: after a restart the feed
// resumes exactly behind what is in the file. A change at or below that revision
// is a replay and is skipped. When the last change was stored is noted, too: the
// records' stream says for streams.MarkerLife that a record was deleted, and a
// file that missed more than that is made again.
//
// # Durability
//
// Transactions are not synced. A killed process loses nothing by that, since the
// page cache survives it; a crash of the machine may leave anything at all,
// because pages that a later transaction reused may or may not have reached the
// disk (syncing now and then would not change that). Hence, instead: opening the
// file notes the machine's boot ID in it, durably, and a clean Close takes the
// note away, durably. A file with the note of another boot is not trusted and is
// made again.
//
// Damage that shows later (a fault in the mapping, a page that makes no sense, an
// entry whose checksum is wrong, a list that names no entry) fails the call that
// saw it with ErrDamaged and makes the feed start over. What a disk changes
// silently inside a key is not noticed, as bbolt has no checksum there. While the index is
// behind for the first time, or again, its readers get ErrNotReady rather than
// half an answer.
package index
