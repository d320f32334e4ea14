package up

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"multinode/dispatcher"
	"multinode/streams"
)

// minter makes the credentials of one execution's worker.
type minter interface {
	MintWorker(executionID, executionKey string, expires time.Time) ([]byte, error)
}

// revokeWorkers is dispatcher.Options.RevokeWorkers.
type revokeWorkers func(ctx context.Context, executions map[string]time.Time) error

// persistPause is how long NATS is left alone after it could not be reached.
const persistPause = time.Second

// persist runs the loop again and again while it ends for want of NATS.
func persist(ctx context.Context, log *slog.Logger, loop func(context.Context) error) error {
	for {
		err := loop(ctx)
		if ctx.Err() != nil || !errors.Is(err, streams.ErrUnavailable) {
			return err
		}
		log.Warn("NATS is out of reach; trying again", "error", err)
		select {
		case <-time.After(persistPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// dispatch runs a dispatcher. Its options are complete: the addresses are set.
func (s *System) dispatch(ctx context.Context, c core, d Dispatch, ca string, mint minter, revoke revokeWorkers, log *slog.Logger) error {
	log = log.With("part", "dispatcher")
	on, err := s.compute(ctx, c, d, ca, log)
	if err != nil {
		return err
	}
	apiCA, err := optionalCA(d.APICA)
	if err != nil {
		return err
	}
	workers, err := dispatcher.New(dispatcher.Options{
		Store: c.store, Index: c.index, Provisioner: on.provisioner, Builder: on.builder, Images: on.images,
		MintWorker: mint.MintWorker, RevokeWorkers: revoke, NATSURL: on.natsURL, NATSCA: ca,
		APIURL: on.apiURL, APICA: apiCA, Logger: log,
		Retention: d.Retention, RetentionBytes: d.RetentionBytes,
	})
	if err != nil {
		return err
	}
	s.run("dispatcher", func(ctx context.Context) error { return persist(ctx, log, workers.Run) })
	return nil
}
