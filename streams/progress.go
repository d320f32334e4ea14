package streams

import (
	"context"

	"github.com/nats-io/nats.go"

	"multinode"
)

// VersionUpdate is news of a version that is being prepared.
type VersionUpdate struct {
	Version multinode.Version
	// Line is a line of progress; empty where the version itself changed.
	Line string
}

// ReportProgress tells whoever watches the version how far its preparation has
// come. Lines are not stored: nobody is told later.
func (s *Store) ReportProgress(v multinode.Version, line string) {
	if err := s.nc.Publish(join(buildSubjects, v.Project, v.Generation, v.ID), []byte(line)); err != nil {
		s.log.Warn("progress of a version was not reported", "version", v.ID, "error", err)
	}
}

// WatchVersion returns the version as it is now, then its progress and changes
// until ctx ends or the version is deleted, which closes the channel. A slow
// reader misses lines, never the last state.
func (s *Store) WatchVersion(ctx context.Context, p multinode.Project, id string) (<-chan VersionUpdate, error) {
	messages := make(chan *nats.Msg, 256)
	sub, err := s.nc.ChanSubscribe(join(buildSubjects, p.Name, p.Generation, id), messages)
	if err != nil {
		return nil, classify("watch the version", err)
	}
	changes, stopChanges := s.RegistryChanges()
	version, err := s.Version(ctx, p, id)
	if err != nil {
		stopChanges()
		_ = sub.Unsubscribe()
		return nil, err
	}
	updates := make(chan VersionUpdate)
	go func() {
		defer close(updates)
		defer stopChanges()
		defer func() { _ = sub.Unsubscribe() }()
		send := func(u VersionUpdate) bool {
			select {
			case updates <- u:
				return true
			case <-ctx.Done():
				return false
			}
		}
		if !send(VersionUpdate{Version: version}) {
			return
		}
		for {
			select {
			case m := <-messages:
				if !send(VersionUpdate{Version: version, Line: string(m.Data)}) {
					return
				}
			case <-changes:
				now, err := s.Version(ctx, p, id)
				if isNotFound(err) {
					return
				}
				if err != nil || now.State == version.State {
					continue
				}
				version = now
				if !send(VersionUpdate{Version: version}) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return updates, nil
}
