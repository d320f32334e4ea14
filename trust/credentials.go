package trust

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
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
func (a *Authority) MintWorker(executionID, executionKey string, expires time.Time) ([]byte, error) {
	if err := checkExecution(executionID, executionKey); err != nil {
		return nil, fmt.Errorf("mint credentials for execution %q: %w", executionID, err)
	}
	// Claims count whole seconds: round up, never shorten.
	until := expires.Add(time.Second - time.Nanosecond).Unix()
	if until <= time.Now().Unix() {
		return nil, fmt.Errorf("mint credentials for execution %q: they would have expired already, at %v", executionID, expires)
	}
	user, err := a.workerUser(executionID)
	if err != nil {
		return nil, err
	}
	return format(user, func(user *jwt.UserClaims) {
		user.Name = executionKey
		user.Tags.Add("execution:" + executionID)
		user.IssuerAccount = a.Workers
		user.Expires = until
		user.SetScoped(true)
	}, a.workersSigning)
}

// ClientCredentials returns the content of a NATS .creds file for a client that
// is trusted like the gateway: it has every right in the application account,
// deleting included. With the zero time they never expire.
func (a *Authority) ClientCredentials(name string, expires time.Time) ([]byte, error) {
	if !expires.IsZero() && !expires.After(time.Now()) {
		return nil, fmt.Errorf("mint credentials for client %q: they would have expired already, at %v", name, expires)
	}
	return mint(func(user *jwt.UserClaims) { a.appUser(user, name, expires) }, a.appSigning)
}

func (a *Authority) appUser(user *jwt.UserClaims, name string, expires time.Time) {
	user.Name = name
	user.IssuerAccount = a.App
	if !expires.IsZero() {
		user.Expires = expires.Unix()
	}
}

// SystemCredentials returns the content of a NATS .creds file for the system
// account: it may update account claims and ask servers how they are. With the
// zero time they never expire.
func (a *Authority) SystemCredentials(name string, expires time.Time) ([]byte, error) {
	return mint(func(user *jwt.UserClaims) {
		user.Name = name
		user.IssuerAccount = a.System
		if !expires.IsZero() {
			user.Expires = expires.Unix()
		}
	}, a.systemSigning)
}

// Derive returns a secret for one purpose, of 32 bytes. It is always the same.
func (a *Authority) Derive(purpose string) []byte {
	mac := hmac.New(sha256.New, []byte(a.Operator))
	_, _ = mac.Write([]byte(purpose)) // a hash never fails
	return mac.Sum(nil)
}

// Vouches checks that the credentials in a file are of this authority's
// application account: with others, what it signs would not be known to the
// servers that they are for.
func (a *Authority) Vouches(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the credentials: %w", err)
	}
	token, err := jwt.ParseDecoratedJWT(text)
	if err != nil {
		return fmt.Errorf("read the credentials in %s: %w", path, err)
	}
	user, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return fmt.Errorf("read the credentials in %s: %w", path, err)
	}
	if user.IssuerAccount != a.App {
		return fmt.Errorf("the credentials in %s and the authority's file belong to different installations, or the credentials are not the control plane's", path)
	}
	return nil
}

// AppUser makes a user of the application account for a connection of this
// process: its claims, and what signs the server's challenge. It does not expire.
func (a *Authority) AppUser(name string) (claims string, sign func(nonce []byte) ([]byte, error), err error) {
	text, user, err := newUser(func(user *jwt.UserClaims) { a.appUser(user, name, time.Time{}) }, a.appSigning)
	if err != nil {
		return "", nil, err
	}
	return text, user.Sign, nil
}

func mint(describe func(*jwt.UserClaims), signer nkeys.KeyPair) ([]byte, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make a user's key: %w", err)
	}
	return format(user, describe, signer)
}

// format writes the credentials file of a user, and forgets the user's key.
func format(user nkeys.KeyPair, describe func(*jwt.UserClaims), signer nkeys.KeyPair) ([]byte, error) {
	defer user.Wipe()
	text, err := claimsOf(user, describe, signer)
	if err != nil {
		return nil, err
	}
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
	text, err := claimsOf(user, describe, signer)
	return text, user, err
}

func claimsOf(user nkeys.KeyPair, describe func(*jwt.UserClaims), signer nkeys.KeyPair) (string, error) {
	public, err := user.PublicKey()
	if err != nil {
		return "", fmt.Errorf("make a user's key: %w", err)
	}
	claims := jwt.NewUserClaims(public)
	describe(claims)
	text, err := claims.Encode(signer)
	if err != nil {
		return "", fmt.Errorf("sign a user's claims: %w", err)
	}
	return text, nil
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
