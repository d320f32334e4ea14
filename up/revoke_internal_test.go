package up

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"multinode/trust"
)

const patience = 30 * time.Second

// later is when the credentials of all workers have expired.
var later = time.Now().Add(24 * time.Hour)

// stockServer runs a server as `nats-server` does that keeps its accounts in a
// directory, in a cluster with the others.
func stockServer(t *testing.T, a *trust.Authority, name, dir string, routes []*url.URL) *server.Server {
	t.Helper()
	claims, err := a.Claims(trust.Limits{Store: -1, Memory: -1, WorkerConnections: -1})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := jwt.DecodeOperatorClaims(claims.Operator)
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := server.NewDirAccResolver(dir, 100, time.Minute, server.NoDelete)
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range claims.Accounts {
		if known, err := resolver.Fetch(account.Key); err == nil && known != "" {
			continue // it was told more than what it began with
		}
		if err := resolver.Store(account.Key, account.JWT); err != nil {
			t.Fatal(err)
		}
	}
	s, err := server.NewServer(&server.Options{
		ServerName: name, Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
		Cluster: server.ClusterOpts{Name: "stock", Host: "127.0.0.1", Port: -1, PoolSize: -1}, Routes: routes,
		TrustedOperators: []*jwt.OperatorClaims{operator}, SystemAccount: claims.System, AccountResolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func newTestRevoker(t *testing.T, a *trust.Authority, s *server.Server) *revoker {
	r := &revoker{authority: a, connect: func(creds nats.Option) (*nats.Conn, error) {
		return NATS{URL: s.ClientURL()}.connectAs("test", creds, slog.New(slog.DiscardHandler))
	}}
	t.Cleanup(r.close)
	return r
}

func workerOf(t *testing.T, a *trust.Authority, execution string) nats.Option {
	t.Helper()
	creds, err := a.MintWorker(execution, "p.g.f.i."+execution, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return nats.UserCredentialBytes(creds)
}

// dialWorker returns a channel that is closed when the server ends the connection.
func dialWorker(t *testing.T, s *server.Server, creds nats.Option) <-chan struct{} {
	t.Helper()
	ended := make(chan struct{})
	c, err := nats.Connect(s.ClientURL(), creds, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(ended) }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return ended
}

func ends(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatalf("the connection of %s was not ended", what)
	}
}

func accepts(s *server.Server, creds nats.Option) bool {
	c, err := nats.Connect(s.ClientURL(), creds, nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, nats.ErrAuthorization)
}

// revoke tries until the servers have it, as a dispatcher does.
func revoke(t *testing.T, r *revoker, executions ...string) {
	t.Helper()
	set := map[string]time.Time{}
	for _, e := range executions {
		set[e] = later
	}
	deadline := time.Now().Add(patience)
	for {
		err := r.RevokeWorkers(t.Context(), set)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // nobody tells when they are of one mind
	}
}

func TestRevocationsOnAStockCluster(t *testing.T) {
	a, err := trust.LoadOrCreate(filepath.Join(t.TempDir(), "authority.json"))
	if err != nil {
		t.Fatal(err)
	}
	var servers []*server.Server
	var routes []*url.URL
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	for i, dir := range dirs {
		servers = append(servers, stockServer(t, a, fmt.Sprint("n", i), dir, routes))
		routes = []*url.URL{{Scheme: "nats", Host: servers[0].ClusterAddr().String()}}
	}
	first, second := newTestRevoker(t, a, servers[0]), newTestRevoker(t, a, servers[2])
	one, two, three := workerOf(t, a, "exe-1"), workerOf(t, a, "exe-2"), workerOf(t, a, "exe-3")
	oneEnds, twoEnds, threeEnds := dialWorker(t, servers[1], one), dialWorker(t, servers[1], two), dialWorker(t, servers[2], three)

	revoke(t, first, "exe-1")
	ends(t, "the first", oneEnds)
	for i, s := range servers {
		for deadline := time.Now().Add(patience); accepts(s, one); {
			if time.Now().After(deadline) {
				t.Fatalf("server %d accepts the revoked worker", i)
			}
		}
		if !accepts(s, two) {
			t.Errorf("server %d refuses another worker", i)
		}
	}
	// Another dispatcher goes on from what the first one did.
	revoke(t, second, "exe-1", "exe-2")
	ends(t, "the second", twoEnds)
	select {
	case <-threeEnds:
		t.Error("the connection of a worker that was not revoked was ended")
	default:
	}
	// The servers keep it, without anybody who reminds them.
	servers[1].Shutdown()
	servers[1].WaitForShutdown()
	back := stockServer(t, a, "n1", dirs[1], routes)
	if accepts(back, one) || accepts(back, two) || !accepts(back, three) {
		t.Error("a server that came back has forgotten who is revoked")
	}
	// What has expired is dropped from the claims.
	revoke(t, second, "exe-2")
	text, err := second.lookup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	account, err := jwt.DecodeAccountClaims(text)
	if err != nil || len(account.Revocations) != 1 {
		t.Errorf("revoked are %v, %v", account, err)
	}
}

func TestServersWithoutADirectoryAreNamed(t *testing.T) {
	a, err := trust.LoadOrCreate(filepath.Join(t.TempDir(), "authority.json"))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := a.Claims(trust.Limits{Store: -1, Memory: -1, WorkerConnections: -1})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := jwt.DecodeOperatorClaims(claims.Operator)
	if err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	for _, account := range claims.Accounts {
		if err := resolver.Store(account.Key, account.JWT); err != nil {
			t.Fatal(err)
		}
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true,
		TrustedOperators: []*jwt.OperatorClaims{operator}, SystemAccount: claims.System, AccountResolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	err = newTestRevoker(t, a, s).RevokeWorkers(t.Context(), map[string]time.Time{"exe-1": time.Now().Add(time.Hour)})
	if err == nil || err.Error() != "look up the claims of the workers' account: the servers keep no directory of accounts (resolver type full)" {
		t.Error(err)
	}
}
