package up

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/trust"
)

// revokeTimeout bounds one answer of the servers.
const revokeTimeout = 5 * time.Second

// errNotTaken means that servers answered with other claims than those that they
// were given last: another dispatcher's, or they are not of one mind yet.
var errNotTaken = errors.New("the servers do not have the new claims yet")

// revoker changes the claims of the workers' account on servers that keep them in
// a directory, over a connection to their system account.
type revoker struct {
	authority *trust.Authority
	connect   func(creds nats.Option) (*nats.Conn, error)

	mu sync.Mutex
	nc *nats.Conn
}

// newRevoker makes a revoker that connects when it is needed first. Its end is the
// system's.
func (s *System) newRevoker(n NATS, authority *trust.Authority, log *slog.Logger) *revoker {
	r := &revoker{authority: authority, connect: func(creds nats.Option) (*nats.Conn, error) {
		return n.connectAs("multinode revocations", creds, log)
	}}
	s.onEnd("revocations", func(context.Context) error { r.close(); return nil })
	return r
}

func (r *revoker) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nc != nil {
		r.nc.Close()
	}
}

// RevokeWorkers is dispatcher.Options.RevokeWorkers.
func (r *revoker) RevokeWorkers(ctx context.Context, executions map[string]time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.dial(); err != nil {
		return fmt.Errorf("revoke workers: %w", err)
	}
	now, err := r.lookup(ctx)
	if err != nil {
		return err
	}
	claims, changed, err := r.authority.RevokeWorkers(now, executions)
	if err != nil || !changed {
		return err
	}
	if err := r.push(ctx, claims); err != nil {
		return err
	}
	if now, err = r.lookup(ctx); err != nil {
		return err
	}
	if _, changed, err = r.authority.RevokeWorkers(now, executions); err == nil && changed {
		err = fmt.Errorf("revoke workers: %w", errNotTaken)
	}
	return err
}

func (r *revoker) dial() error {
	if r.nc != nil {
		return nil
	}
	creds, err := r.authority.SystemCredentials("multinode revocations", time.Time{})
	if err != nil {
		return err
	}
	r.nc, err = r.connect(nats.UserCredentialBytes(creds))
	return err
}

func (r *revoker) lookup(ctx context.Context) (string, error) {
	m, err := r.ask(ctx, "$SYS.REQ.ACCOUNT."+r.authority.WorkersAccount()+".CLAIMS.LOOKUP", nil)
	if err == nil && len(m.Data) == 0 {
		err = errors.New("the servers do not know the account")
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = errors.New("the servers keep no directory of accounts (resolver type full)")
	}
	if err != nil {
		return "", fmt.Errorf("look up the claims of the workers' account: %w", err)
	}
	return string(m.Data), nil
}

func (r *revoker) push(ctx context.Context, claims string) error {
	m, err := r.ask(ctx, "$SYS.REQ.CLAIMS.UPDATE", []byte(claims))
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err == nil {
		err = json.Unmarshal(m.Data, &answer)
	}
	if err == nil && answer.Error != nil {
		err = errors.New(answer.Error.Description)
	}
	if err != nil {
		return fmt.Errorf("update the claims of the workers' account: %w", err)
	}
	return nil
}

func (r *revoker) ask(ctx context.Context, subject string, body []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	return r.nc.RequestWithContext(ctx, subject, body)
}
