package multinode

import "time"

// The clocks of an execution. They stand in one place because they only make
// sense together: a worker must have given up (WorkerLease) before anybody may
// call it lost (LostAfter).
const (
	// BeatInterval is how often a worker reports that it lives.
	BeatInterval = 5 * time.Second
	// AckWait is how long a dispatcher's lease on a request lasts without renewal.
	AckWait = 30 * time.Second
	// RenewInterval is how often a dispatcher renews its leases.
	RenewInterval = 10 * time.Second
	// WorkerLease is how long a worker without a connection to NATS keeps the
	// user's code running before it kills it.
	WorkerLease = 60 * time.Second
	// LostAfter is the silence after which a worker is called lost.
	LostAfter = 90 * time.Second
	// Grace is how long interrupted code may go on before it is killed.
	Grace = 2 * time.Minute
	// StartDeadline is how long a launched worker may take to announce itself.
	StartDeadline = 10 * time.Minute
	// CredentialMargin is added to the life of a worker's credentials, for clocks
	// that differ and for the last puts.
	CredentialMargin = 10 * time.Minute
)

// Sizes. Those of text count Unicode code points, as the published client does.
const (
	MaxInput             = 250_000
	MaxOutput            = 250_000
	MaxErrorMessage      = 16_384
	MaxProjectName       = 64
	MaxFunctionName      = 1023
	MaxImageName         = 1023
	MaxFunctionsPerGroup = 1000
	// MaxDepth is the number of ancestors an invocation may have.
	MaxDepth = 64
	// MaxPayload is the NATS max_payload that the system needs, in bytes.
	MaxPayload = 8 << 20
)

// Bounds of what a function may ask for. The lower bounds are exclusive for CPU
// and memory and inclusive for the others.
const (
	MaxCPU         = 16.0
	MaxMemoryGiB   = 64.0
	MaxConcurrency = 100
	MaxRetries     = 50
	MaxTimeout     = 24 * time.Hour
)
