package index

import "errors"

var (
	// ErrCursor is returned for a cursor that List did not give for this query.
	ErrCursor = errors.New("the cursor is not one of this list; start again without one")
	// ErrQuery is wrapped by what List says of a query that it cannot answer.
	ErrQuery = errors.New("the query is not valid")
	// ErrNotReady is returned by readers until the index has caught up with the
	// records once since it was opened or made again; see Ready.
	ErrNotReady = errors.New("the index is still catching up with the records; try again in a moment")
	// ErrDamaged is wrapped by what is returned when the file turns out to be
	// damaged. The index is then made again by Run.
	ErrDamaged = errors.New("the index file is damaged and will be made again; try again in a moment")
	// ErrInUse is returned by Open while another process has the file open.
	ErrInUse = errors.New("another process has the file open; stop it or use another data folder")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the index is closed")
	// ErrRunning is returned by a second Run.
	ErrRunning = errors.New("the index is being fed already")
)
