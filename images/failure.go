package images

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Failure is what another try does not mend: an image that does not exist, a
// registry that refuses. Other errors of this package are transient.
//
//nolint:errname // It is a finding more than an error of ours.
type Failure struct {
	// Detail says what to do.
	Detail string
	// Refused tells that it is the registry's doing: whoever looks after it, or after
	// the logins to it, can mend that.
	Refused bool
}

func (f *Failure) Error() string { return f.Detail }

// explain tells what lasts from what may be over by the next try.
func explain(doing string, err error) error {
	var f *Failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		switch status := answer.StatusCode; {
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			return refused("%s: the registry refuses access (%d): check its credentials, by `docker login` or by those given to the server: %v", doing, status, err)
		case status == http.StatusNotFound:
			return refused("%s: the registry has no such image or repository: %v", doing, err)
		case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500:
		default:
			return refused("%s: the registry does not take it (%d): %v", doing, status, err)
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	var unknown x509.UnknownAuthorityError
	var invalid *tls.CertificateVerificationError
	switch text := err.Error(); {
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return refused("%s: the registry's certificate is not trusted: %v", doing, err)
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return refused("%s: the registry speaks HTTP without TLS: allow that explicitly: %v", doing, err)
	case strings.Contains(text, "error verifying sha256 checksum"), strings.Contains(text, "manifest digest:"):
		return failure("%s: its content does not have the digest that it is known by: the registry's copy is damaged, push it there again: %v", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func refused(format string, args ...any) error {
	return &Failure{Detail: fmt.Sprintf(format, args...), Refused: true}
}
