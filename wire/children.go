package wire

// How much is said of an invocation's children.
const (
	// MaxChildren is the most that are shown one by one.
	MaxChildren = 50
	// MaxChildrenCounted is the most that are counted.
	MaxChildrenCounted = 10_000
)

// Children are the invocations that one has started itself. What was deleted
// after its retention is not among them.
type Children struct {
	// Counts is their number by status; a status that none has is left out.
	Counts map[Status]int `json:"counts" required:"true" nullable:"false"`
	// Complete tells whether all are counted. If not, there are more than 10,000, and
	// the newest 10,000 are.
	Complete bool `json:"complete" required:"true"`
	// Newest are as many as were asked for, the newest first.
	Newest []Child `json:"newest" required:"true" nullable:"false"`
}

// Child is an invocation that another one has started.
type Child struct {
	FunctionName   string `json:"function_name" required:"true"`
	VersionID      string `json:"version_id" required:"true"`
	InvocationID   string `json:"invocation_id" required:"true"`
	Status         Status `json:"status" required:"true"`
	CreationTime   int64  `json:"creation_time" required:"true"`
	LastUpdateTime int64  `json:"last_update_time" required:"true"`
}
