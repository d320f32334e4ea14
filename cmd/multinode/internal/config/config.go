// Package config keeps which server the command line talks to: the file that
// `multinode login` writes, and the environment variables that override it.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The environment variables that override the file, each for itself.
const (
	URLVariable = "MULTINODE_API_URL"
	KeyVariable = "MULTINODE_API_KEY"
)

// Names of the file's two fields; the Python package reads the same ones.
const (
	urlField = "api_url"
	keyField = "api_key"
)

// Login is an address and the key that opens it.
type Login struct {
	URL string
	Key string
}

// Complete tells whether both halves are there.
func (l Login) Complete() bool { return l.URL != "" && l.Key != "" }

// File is the login file; its other fields belong to others and are kept.
type File struct {
	path string
}

// At returns the login file of a home directory: .multinode/config.json in it.
func At(home string) File {
	return File{path: filepath.Join(home, ".multinode", "config.json")}
}

// Path is where the file is, or would be.
func (f File) Path() string { return f.path }

// Load reads the login; a file that does not exist is an empty login.
func (f File) Load() (Login, error) {
	fields, err := f.fields()
	if err != nil {
		return Login{}, err
	}
	var l Login
	for name, target := range map[string]*string{urlField: &l.URL, keyField: &l.Key} {
		raw, ok := fields[name]
		if !ok || string(raw) == "null" {
			continue
		}
		if err := json.Unmarshal(raw, target); err != nil {
			return Login{}, f.damaged(fmt.Errorf("field %s: %w", name, err))
		}
	}
	return l, nil
}

// Save stores the login, readable by this user only. It replaces the file in
// one step, so that a crash leaves the old login or the new one.
func (f File) Save(l Login) error {
	fields, err := f.fields()
	if err != nil {
		return err
	}
	set(fields, urlField, l.URL)
	set(fields, keyField, l.Key)
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", f.path, err)
	}
	return f.replace(append(text, '\n'))
}

func set(fields map[string]json.RawMessage, name, value string) {
	if value == "" {
		delete(fields, name)
		return
	}
	text, _ := json.Marshal(value) // a string always encodes
	fields[name] = text
}

func (f File) replace(text []byte) error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save login: %w", err)
	}
	temp, err := os.CreateTemp(dir, ".config-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("save login: %w", err)
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("save login in %s: %w", f.path, err)
	}
	return nil
}

func (f File) fields() (map[string]json.RawMessage, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read login: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, f.damaged(err)
	}
	if fields == nil { // the file says null
		fields = map[string]json.RawMessage{}
	}
	return fields, nil
}

func (f File) damaged(err error) error {
	return fmt.Errorf("%s is not a login file (%w): remove it and run `multinode login`", f.path, err)
}

// Override replaces each half of the login that its environment variable sets.
func Override(l Login, getenv func(string) string) Login {
	if v := getenv(URLVariable); v != "" {
		l.URL = v
	}
	if v := getenv(KeyVariable); v != "" {
		l.Key = v
	}
	return l
}
