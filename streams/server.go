package streams

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoPeers means that there are fewer servers than replicas are asked for: on a
// cluster it may be that they have not come up yet.
var ErrNoPeers = errors.New("there are fewer NATS servers with JetStream than replicas: start more of them, or choose fewer replicas")

// ErrNoAccount means that JetStream is not for the account of the credentials; a server
// that starts says so for a moment, too.
var ErrNoAccount = errors.New("the credentials are of a NATS account without JetStream")

// Error codes of JetStream's API that tell about the server as a whole.
const (
	codeNoPeers              = 10005
	codeClusterNotAvailable  = 10008
	codeClusterNotLeader     = 10009
	codeStreamOffline        = 10118
	codeReplicasNeedACluster = 10074
)

// unavailable tells whether an answer is that of a cluster that is electing or
// starting.
func unavailable(code int) bool {
	return code == codeClusterNotAvailable || code == codeClusterNotLeader || code == codeStreamOffline
}

// explainServer says what is to be done about a server that cannot hold the store.
func explainServer(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: use the credentials of the control plane: %w", ErrNoAccount, err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		// Also what is heard of a server whose JetStream is still coming up.
		return fmt.Errorf("%w: the NATS server has no JetStream: enable it in its configuration: %w", ErrUnavailable, err)
	case errors.As(err, &api) && api.ErrorCode == codeReplicasNeedACluster:
		return fmt.Errorf("this NATS server is no cluster, and can keep 1 replica only: %w", err)
	case errors.As(err, &api) && api.ErrorCode == codeNoPeers:
		return fmt.Errorf("%w: %w", ErrNoPeers, err)
	}
	return err
}
