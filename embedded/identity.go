package embedded

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nkeys"
)

// identity is what makes this server the same one after a restart. Of the
// accounts only the public keys are kept: their claims are signed by the
// operator and their users by the signing keys.
type identity struct {
	Operator       string `json:"operator_seed"`
	System         string `json:"system_account"`
	App            string `json:"app_account"`
	AppSigning     string `json:"app_signing_seed"`
	Workers        string `json:"workers_account"`
	WorkersSigning string `json:"workers_signing_seed"`
}

// keys are the parsed secrets of an identity.
type keys struct {
	identity
	operator, appSigning, workersSigning nkeys.KeyPair
}

// loadKeys reads the folder's identity, or makes one where there is none.
func loadKeys(dir string) (keys, error) {
	path := filepath.Join(dir, "identity.json")
	var id identity
	found, err := readJSON(path, &id)
	if err != nil {
		return keys{}, fmt.Errorf("read the server's keys: %w", err)
	}
	if !found {
		if id, err = newIdentity(); err != nil {
			return keys{}, fmt.Errorf("make the server's keys: %w", err)
		}
		if err := writeJSON(path, id); err != nil {
			return keys{}, fmt.Errorf("keep the server's keys: %w", err)
		}
	}
	k, err := id.parse()
	if err != nil {
		return keys{}, fmt.Errorf("the server's keys in %s are damaged: restore the file from a backup: %w", path, err)
	}
	return k, nil
}

func newIdentity() (identity, error) {
	var errs []error
	seed := func(create func() (nkeys.KeyPair, error)) string {
		pair, err := create()
		if err != nil {
			errs = append(errs, err)
			return ""
		}
		text, err := pair.Seed()
		errs = append(errs, err)
		return string(text)
	}
	public := func() string {
		pair, err := nkeys.CreateAccount()
		if err != nil {
			errs = append(errs, err)
			return ""
		}
		text, err := pair.PublicKey()
		errs = append(errs, err)
		return text
	}
	id := identity{
		Operator:       seed(nkeys.CreateOperator),
		System:         public(),
		App:            public(),
		AppSigning:     seed(nkeys.CreateAccount),
		Workers:        public(),
		WorkersSigning: seed(nkeys.CreateAccount),
	}
	return id, errors.Join(errs...)
}

func (id identity) parse() (keys, error) {
	k := keys{identity: id}
	var errs []error
	for _, s := range []struct {
		name, seed string
		into       *nkeys.KeyPair
		prefix     nkeys.PrefixByte
	}{
		{"operator_seed", id.Operator, &k.operator, nkeys.PrefixByteOperator},
		{"app_signing_seed", id.AppSigning, &k.appSigning, nkeys.PrefixByteAccount},
		{"workers_signing_seed", id.WorkersSigning, &k.workersSigning, nkeys.PrefixByteAccount},
	} {
		pair, err := nkeys.FromSeed([]byte(s.seed))
		if err == nil {
			err = nkeys.CompatibleKeyPair(pair, s.prefix)
		}
		if err != nil {
			// The error of nkeys never repeats the seed.
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
		*s.into = pair
	}
	for _, a := range []struct{ name, key string }{
		{"system_account", id.System}, {"app_account", id.App}, {"workers_account", id.Workers},
	} {
		if !nkeys.IsValidPublicAccountKey(a.key) {
			errs = append(errs, fmt.Errorf("%s is not an account key", a.name))
		}
	}
	return k, errors.Join(errs...)
}
