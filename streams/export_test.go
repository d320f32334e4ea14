package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Impatient makes the bundles' library wait for no answer longer than that.
func (s *Store) Impatient(ctx context.Context, timeout time.Duration) error {
	js, err := jetstream.New(s.nc, jetstream.WithDefaultTimeout(timeout))
	if err != nil {
		return err
	}
	s.code, err = js.ObjectStore(ctx, codeBucket)
	return err
}
