package order

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Ticket is the right to do one attempt at building one version.
type Ticket struct {
	Project    string `json:"project"`
	Generation string `json:"generation"`
	Version    string `json:"version"`
	// Attempt is whose claim on the version the build works under.
	Attempt string    `json:"attempt"`
	Expires time.Time `json:"expires"`

	// Session is what the builder that shows the ticket calls itself. It is no part of
	// the ticket: the desk binds the attempt to the first one that it sees.
	Session string `json:"-"`
}

// ErrTicket means that a ticket was not made with this secret, or is too old.
var ErrTicket = errors.New("the ticket is not valid, or not any more")

// minSecret is in bytes.
const minSecret = 32

// ticketContext keeps tickets apart from whatever else the secret may sign.
const ticketContext = "multinode build ticket\n"

// Sign returns the ticket as text for Options and headers. The secret has at least
// 32 bytes, and is shared by those who sign and those who check.
func (t Ticket) Sign(secret []byte) (string, error) {
	if len(secret) < minSecret {
		return "", fmt.Errorf("signing a ticket: the secret has less than %d bytes", minSecret)
	}
	content, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("signing a ticket: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(content)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(secret, text)), nil
}

// Check reads a ticket; its error is ErrTicket.
func Check(secret []byte, text string, now time.Time) (Ticket, error) {
	content, signature, ok := strings.Cut(text, ".")
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if !ok || err != nil || len(secret) < minSecret || !hmac.Equal(given, sign(secret, content)) {
		return Ticket{}, ErrTicket
	}
	decoded, err := base64.RawURLEncoding.DecodeString(content)
	var t Ticket
	if err != nil || json.Unmarshal(decoded, &t) != nil || !now.Before(t.Expires) {
		return Ticket{}, ErrTicket
	}
	return t, nil
}

func sign(secret []byte, text string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(ticketContext + text))
	return mac.Sum(nil)
}
