package embedded

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"
)

// RevokeWorkers makes the credentials of exactly these executions void until
// those times, by when they have expired: it ends their connections, and refuses
// new ones. It is forgotten at the server's end: say it again after a restart.
func (s *Server) RevokeWorkers(_ context.Context, executions map[string]time.Time) error {
	s.revoking.Lock()
	defer s.revoking.Unlock()
	key := s.authority.WorkersAccount()
	resolver := s.server.AccountResolver()
	now, err := resolver.Fetch(key)
	if err != nil {
		return fmt.Errorf("revoke workers: %w", err)
	}
	revoked, changed, err := s.authority.RevokeWorkers(now, executions)
	if err != nil || !changed {
		return err
	}
	claims, err := jwt.DecodeAccountClaims(revoked)
	if err != nil {
		return fmt.Errorf("revoke workers: %w", err)
	}
	account, err := s.server.LookupAccount(key)
	if err != nil {
		return fmt.Errorf("revoke workers: %w", err)
	}
	if err := resolver.Store(key, revoked); err != nil {
		return fmt.Errorf("revoke workers: %w", err)
	}
	s.server.UpdateAccountClaims(account, claims)
	return nil
}
