package embedded

import "time"

// MintWorker returns the content of a NATS .creds file for one execution's
// worker: see trust.Authority.
func (s *Server) MintWorker(executionID, executionKey string, expires time.Time) ([]byte, error) {
	return s.authority.MintWorker(executionID, executionKey, expires)
}

// ClientCredentials returns the content of a NATS .creds file for a client that
// is trusted like the gateway: see trust.Authority.
func (s *Server) ClientCredentials(name string, expires time.Time) ([]byte, error) {
	return s.authority.ClientCredentials(name, expires)
}
