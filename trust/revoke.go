package trust

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// workerUser is the key of an execution's worker. It is derived, so that whoever
// has the authority's file can name it, to revoke it, without having kept it.
func (a *Authority) workerUser(executionID string) (nkeys.KeyPair, error) {
	secret, err := a.workersSigning.Seed()
	if err != nil {
		return nil, fmt.Errorf("derive a worker's key: %w", err)
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("worker " + executionID)) // a hash never fails
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("derive a worker's key: %w", err)
	}
	return pair, nil
}

// RevokeWorkers returns the claims of the workers' account with the credentials
// of these executions revoked, and no others: each until its credentials have
// expired by themselves, which is what the times say. It returns false, and the
// claims as they were, where they say so already. Servers that get the claims end
// the connections of the revoked, and accept none of them any more.
func (a *Authority) RevokeWorkers(claims string, executions map[string]time.Time) (revoked string, changed bool, err error) {
	account, err := jwt.DecodeAccountClaims(claims)
	if err != nil {
		return "", false, fmt.Errorf("read the claims of the workers' account: %w", err)
	}
	list := jwt.RevocationList{}
	for id, until := range executions {
		user, err := a.workerUser(id)
		if err != nil {
			return "", false, err
		}
		public, err := user.PublicKey()
		if err != nil {
			return "", false, err
		}
		// What was issued up to then is void. Nothing is issued later than it expires.
		list[public] = until.Unix()
	}
	if maps.Equal(list, account.Revocations) {
		return claims, false, nil
	}
	account.Revocations = list
	if revoked, err = account.Encode(a.operator); err != nil {
		return "", false, fmt.Errorf("sign the claims of the workers' account: %w", err)
	}
	return revoked, true, nil
}

// WorkersAccount is the public key of the workers' account.
func (a *Authority) WorkersAccount() string { return a.Workers }
