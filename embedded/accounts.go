package embedded

import (
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"multinode/trust"
)

// accounts returns the operator's claims and a resolver that knows its accounts.
func accounts(authority *trust.Authority, maxStore, workers int64) (*jwt.OperatorClaims, string, server.AccountResolver, error) {
	if workers == 0 {
		workers = trust.MaxWorkerConnections
	}
	claims, err := authority.Claims(trust.Limits{
		Store: maxStore, Memory: jetStreamMemory, WorkerConnections: workers,
	})
	if err != nil {
		return nil, "", nil, err
	}
	operator, err := jwt.DecodeOperatorClaims(claims.Operator)
	if err != nil {
		return nil, "", nil, fmt.Errorf("read the operator's claims back: %w", err)
	}
	resolver := &server.MemAccResolver{}
	for _, account := range claims.Accounts {
		if err := resolver.Store(account.Key, account.JWT); err != nil {
			return nil, "", nil, fmt.Errorf("set up the account %s: %w", account.Name, err)
		}
	}
	return operator, claims.System, resolver, nil
}
