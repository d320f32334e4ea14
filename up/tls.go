package up

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// checkPair finds out whether a certificate and its key can be used. None at all
// is fine.
func checkPair(what, cert, key string) error {
	if cert == "" && key == "" {
		return nil
	}
	if cert == "" || key == "" {
		return fmt.Errorf("TLS of %s needs a certificate and a key, and one of them is not set", what)
	}
	_, err := loadPair(cert, key)
	return err
}

func loadPair(cert, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key %s: %w", cert, key, err)
	}
	return &pair, nil
}

// readCA returns the PEM text of certificate authorities.
func readCA(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the certificate authority: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return "", fmt.Errorf("read the certificate authority: %s holds no PEM certificate", path)
	}
	return string(text), nil
}

// certificate is a pair of files that is read again when they change, so that a
// renewal needs no restart.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	pair   *tls.Certificate
	loaded [2]time.Time // when the files were written that the pair is from
}

// serverTLS is how the API is served with the certificate.
func serverTLS(cert, key string) (*tls.Config, error) {
	c := &certificate{cert: cert, key: key}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

// get returns the pair that is in the files, or the last one that could be read:
// a renewal writes one file after the other.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written, err := c.written()
	if err == nil && c.pair != nil && written == c.loaded {
		return c.pair, nil
	}
	pair, loadErr := loadPair(c.cert, c.key)
	if err = errors.Join(err, loadErr); err == nil {
		c.pair, c.loaded = pair, written
	}
	if c.pair != nil {
		return c.pair, nil
	}
	return nil, err
}

func (c *certificate) written() (times [2]time.Time, err error) {
	for i, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}
