package natsconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"multinode/internal/atomicfile"
	"multinode/trust"
)

// Names of the files that Write makes beside the servers' own.
const (
	AuthorityFile    = "authority.json"
	ControlPlaneFile = "control-plane.creds"
	SystemFile       = "system.creds"
)

// Written is what was made.
type Written struct {
	// Configs are the paths of the servers' files, in the order of the servers.
	Configs []string
	// Authority, ControlPlane and System are paths too: the keys that sign workers'
	// credentials, the credentials of gateways and dispatchers, and those of whoever
	// looks after the servers.
	Authority, ControlPlane, System string
	// URL is that of all servers.
	URL string
}

// Write fills the folder, which only its owner can read: a configuration file for
// each server, the authority and credentials. The keys are made the first time and
// kept from then on, and so are the credentials; the configuration is written anew,
// as after a change of the options or of this program.
func Write(dir string, o Options) (Written, error) {
	if err := o.Check(); err != nil {
		return Written{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Written{}, fmt.Errorf("make the folder: %w", err)
	}
	w := Written{
		Authority: filepath.Join(dir, AuthorityFile), ControlPlane: filepath.Join(dir, ControlPlaneFile),
		System: filepath.Join(dir, SystemFile),
	}
	authority, err := trust.LoadOrCreate(w.Authority)
	if err != nil {
		return Written{}, err
	}
	for path, mint := range map[string]func(string, time.Time) ([]byte, error){
		w.ControlPlane: authority.ClientCredentials, w.System: authority.SystemCredentials,
	} {
		if err := keep(path, mint); err != nil {
			return Written{}, err
		}
	}
	claims, err := authority.Claims(trust.Limits{
		// What is stored counts once for each replica.
		Store: o.MaxStore * int64(len(o.Servers)), Memory: maxMemory, WorkerConnections: trust.MaxWorkerConnections,
	})
	if err != nil {
		return Written{}, err
	}
	var urls []string
	for i, s := range o.Servers {
		text, err := render(o, claims, i, authority.Derive("cluster routes"))
		if err != nil {
			return Written{}, err
		}
		path := filepath.Join(dir, name(i)+".conf")
		if err := atomicfile.Write(path, text); err != nil {
			return Written{}, fmt.Errorf("write the configuration of %s: %w", name(i), err)
		}
		w.Configs = append(w.Configs, path)
		scheme := "nats://"
		if o.TLSCert != "" {
			scheme = "tls://"
		}
		urls = append(urls, scheme+s.Address())
	}
	w.URL = strings.Join(urls, ",")
	return w, nil
}

// keep makes credentials where there are none.
func keep(path string, mint func(name string, expires time.Time) ([]byte, error)) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for credentials: %w", err)
	}
	creds, err := mint(strings.TrimSuffix(filepath.Base(path), ".creds"), time.Time{})
	if err == nil {
		err = atomicfile.Write(path, creds)
	}
	if err != nil {
		return fmt.Errorf("make the credentials %s: %w", path, err)
	}
	return nil
}

func name(i int) string { return fmt.Sprintf("nats-%d", i+1) }
