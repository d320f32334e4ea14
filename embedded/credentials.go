package embedded

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// keyTokens is the number of tokens of an execution key: project, generation,
// function, invocation, execution.
const keyTokens = 5

// MintWorker returns the content of a NATS .creds file for one execution's
// worker. executionKey is the dotted key used in buckets and log subjects; its
// last token is executionID, in lower case. The credentials allow to say hello
// and beat for that execution, to put its yields, outcome and log batches, and
// to hear what it is told, until they expire; the server then ends the
// connection. Inboxes must begin with "_INBOX_"+executionID.
func (s *Server) MintWorker(executionID, executionKey string, expires time.Time) ([]byte, error) {
	if err := checkExecution(executionID, executionKey); err != nil {
		return nil, fmt.Errorf("mint credentials for execution %q: %w", executionID, err)
	}
	// Claims count whole seconds: round up, never shorten.
	until := expires.Add(time.Second - time.Nanosecond).Unix()
	if until <= time.Now().Unix() {
		return nil, fmt.Errorf("mint credentials for execution %q: they would have expired already, at %v", executionID, expires)
	}
	return mint(func(user *jwt.UserClaims) {
		user.Name = executionKey
		user.Tags.Add("execution:" + executionID)
		user.IssuerAccount = s.keys.Workers
		user.Expires = until
		user.SetScoped(true)
	}, s.keys.workersSigning)
}

// ClientCredentials returns the content of a NATS .creds file for a client that
// is trusted like the gateway: it has every right in the application account,
// deleting included. With the zero time they never expire.
func (s *Server) ClientCredentials(name string, expires time.Time) ([]byte, error) {
	if !expires.IsZero() && !expires.After(time.Now()) {
		return nil, fmt.Errorf("mint credentials for client %q: they would have expired already, at %v", name, expires)
	}
	return mint(func(user *jwt.UserClaims) { s.appUser(user, name, expires) }, s.keys.appSigning)
}

func (s *Server) appUser(user *jwt.UserClaims, name string, expires time.Time) {
	user.Name = name
	user.IssuerAccount = s.keys.App
	if !expires.IsZero() {
		user.Expires = expires.Unix()
	}
}

func mint(describe func(*jwt.UserClaims), signer nkeys.KeyPair) ([]byte, error) {
	text, user, err := newUser(describe, signer)
	if err != nil {
		return nil, err
	}
	defer user.Wipe()
	seed, err := user.Seed()
	if err != nil {
		return nil, fmt.Errorf("mint credentials: %w", err)
	}
	return jwt.FormatUserConfig(text, seed)
}

func newUser(describe func(*jwt.UserClaims), signer nkeys.KeyPair) (string, nkeys.KeyPair, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return "", nil, fmt.Errorf("make a user's key: %w", err)
	}
	public, err := user.PublicKey()
	if err != nil {
		return "", nil, fmt.Errorf("make a user's key: %w", err)
	}
	claims := jwt.NewUserClaims(public)
	describe(claims)
	text, err := claims.Encode(signer)
	if err != nil {
		return "", nil, fmt.Errorf("sign a user's claims: %w", err)
	}
	return text, user, nil
}

// checkExecution refuses what would not stay within one execution once it is
// put into the permission templates: wildcards, blanks, braces, empty tokens.
func checkExecution(id, key string) error {
	tokens := strings.Split(key, ".")
	if len(tokens) != keyTokens {
		return fmt.Errorf("the execution key %q has %d tokens instead of %d", key, len(tokens), keyTokens)
	}
	if tokens[keyTokens-1] != id {
		return fmt.Errorf("the execution key %q does not end in the execution's ID", key)
	}
	// Tags of claims are lower case only.
	if id != strings.ToLower(id) {
		return errors.New("the execution's ID has upper-case letters")
	}
	for _, token := range tokens {
		if token == "" || strings.IndexFunc(token, notInToken) >= 0 {
			return fmt.Errorf("the execution key %q has a token that is not made of letters, digits, '-', '_' and '='", key)
		}
	}
	return nil
}

func notInToken(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return r != '-' && r != '_' && r != '='
}
