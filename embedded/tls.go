package embedded

import (
	"crypto/tls"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// tls returns how connections over the network are encrypted; nil means that they
// are not.
func (o Options) tls() (*tls.Config, error) {
	if o.TLSCert == "" {
		return nil, nil
	}
	config, err := server.GenTLSConfig(&server.TLSConfigOpts{
		CertFile: o.TLSCert, KeyFile: o.TLSKey, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the embedded NATS server: %w", err)
	}
	return config, nil
}
