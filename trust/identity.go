package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nats-io/nkeys"

	"multinode/internal/atomicfile"
)

// identity is what makes servers trust each other's users, and the same ones
// after a restart. Of the accounts only the public keys are kept: their claims are
// signed by the operator and their users by the signing keys.
type identity struct {
	Operator string `json:"operator_seed"`
	System   string `json:"system_account"`
	// SystemSigning is missing in files of early versions.
	SystemSigning  string `json:"system_signing_seed"`
	App            string `json:"app_account"`
	AppSigning     string `json:"app_signing_seed"`
	Workers        string `json:"workers_account"`
	WorkersSigning string `json:"workers_signing_seed"`
}

// Authority holds the keys with which everything is signed. Its methods may be
// called from many goroutines.
type Authority struct {
	identity
	operator, systemSigning, appSigning, workersSigning nkeys.KeyPair
}

// Load reads the authority's file. A missing one is fs.ErrNotExist, wrapped.
func Load(path string) (*Authority, error) {
	id, err := read(path)
	if err != nil {
		return nil, err
	}
	return id.authority(path)
}

// LoadOrCreate is Load, and makes the keys and their file (mode 0600) where there
// is none. A file of an early version gets the keys that it lacks.
func LoadOrCreate(path string) (*Authority, error) {
	id, err := read(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	made := id
	switch {
	case missing:
		made, err = newIdentity()
	case id.SystemSigning == "":
		made.SystemSigning, err = seed(nkeys.CreateAccount)
	}
	if err != nil {
		return nil, fmt.Errorf("make the authority's keys: %w", err)
	}
	a, err := made.authority(path)
	if err != nil || made == id {
		return a, err
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err == nil {
		err = atomicfile.Write(path, append(text, '\n'))
	}
	if err != nil {
		return nil, fmt.Errorf("keep the authority's keys: %w", err)
	}
	return a, nil
}

func read(path string) (id identity, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return id, fmt.Errorf("read the authority's keys: %w", err)
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return id, fmt.Errorf("read the authority's keys: %s is damaged, restore it from a backup: %w", path, err)
	}
	return id, nil
}

func newIdentity() (id identity, err error) {
	var errs []error
	for _, s := range []struct {
		into   *string
		create func() (nkeys.KeyPair, error)
	}{
		{&id.Operator, nkeys.CreateOperator},
		{&id.SystemSigning, nkeys.CreateAccount},
		{&id.AppSigning, nkeys.CreateAccount},
		{&id.WorkersSigning, nkeys.CreateAccount},
	} {
		*s.into, err = seed(s.create)
		errs = append(errs, err)
	}
	for _, account := range []*string{&id.System, &id.App, &id.Workers} {
		pair, err := nkeys.CreateAccount()
		if err == nil {
			*account, err = pair.PublicKey()
		}
		errs = append(errs, err)
	}
	return id, errors.Join(errs...)
}

func seed(create func() (nkeys.KeyPair, error)) (string, error) {
	pair, err := create()
	if err != nil {
		return "", err
	}
	text, err := pair.Seed()
	return string(text), err
}

// authority parses the keys. The path is for the error.
func (id identity) authority(path string) (*Authority, error) {
	a := &Authority{identity: id}
	var errs []error
	for _, s := range []struct {
		name, seed string
		into       *nkeys.KeyPair
		prefix     nkeys.PrefixByte
	}{
		{"operator_seed", id.Operator, &a.operator, nkeys.PrefixByteOperator},
		{"system_signing_seed", id.SystemSigning, &a.systemSigning, nkeys.PrefixByteAccount},
		{"app_signing_seed", id.AppSigning, &a.appSigning, nkeys.PrefixByteAccount},
		{"workers_signing_seed", id.WorkersSigning, &a.workersSigning, nkeys.PrefixByteAccount},
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
	for _, k := range []struct{ name, key string }{
		{"system_account", id.System}, {"app_account", id.App}, {"workers_account", id.Workers},
	} {
		if !nkeys.IsValidPublicAccountKey(k.key) {
			errs = append(errs, fmt.Errorf("%s is not an account key", k.name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("the authority's keys in %s are damaged, restore the file from a backup: %w", path, err)
	}
	return a, nil
}
