package multinode

import "time"

const (
	// retryBase and retryMost bound the pause before a retry, which doubles.
	retryBase = 500 * time.Millisecond
	retryMost = 30 * time.Second
)

// RetryDelay is the pause between the end of an execution that failed and the
// next try, after so many failures.
func RetryDelay(failures int) time.Duration {
	delay := retryBase
	for range failures - 1 {
		if delay *= 2; delay >= retryMost {
			return retryMost
		}
	}
	return delay
}
