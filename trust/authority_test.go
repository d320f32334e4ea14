package trust_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"multinode/trust"
)

func authority(t *testing.T) (*trust.Authority, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identity.json")
	a, err := trust.LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	return a, path
}

func fields(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]string
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestTheFileIsMadeOnceAndForTheOwner(t *testing.T) {
	first, path := authority(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode: %v, %v", info, err)
	}
	before := fields(t, path)
	for _, load := range []func(string) (*trust.Authority, error){trust.LoadOrCreate, trust.Load} {
		again, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		if again.System != first.System || !maps.Equal(before, fields(t, path)) {
			t.Error("the keys have changed")
		}
	}
	if _, err := trust.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

// Files of early versions have no key for the system account's users.
func TestAnEarlyFileGetsWhatItLacks(t *testing.T) {
	_, path := authority(t)
	before := fields(t, path)
	delete(before, "system_signing_seed")
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := trust.LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.SystemCredentials("test", time.Time{}); err != nil {
		t.Error(err)
	}
	after := fields(t, path)
	if after["system_signing_seed"] == "" {
		t.Error("the new key was not kept")
	}
	delete(after, "system_signing_seed")
	if !maps.Equal(before, after) {
		t.Error("an old key has changed")
	}
}

func TestKeysAreChecked(t *testing.T) {
	_, path := authority(t)
	keys := fields(t, path)
	keys["app_signing_seed"], keys["operator_seed"] = keys["operator_seed"], keys["app_signing_seed"]
	keys["app_account"] = "x"
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = trust.LoadOrCreate(path)
	if err == nil {
		t.Fatal("swapped seeds were accepted")
	}
	for _, part := range []string{path, "operator_seed", "app_signing_seed", "app_account"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), keys["operator_seed"]) || errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q repeats a secret", err)
	}
}

func TestClaimsAreSignedByTheOperator(t *testing.T) {
	a, _ := authority(t)
	claims, err := a.Claims(trust.Limits{Store: 1 << 30, Memory: -1, WorkerConnections: 7})
	if err != nil {
		t.Fatal(err)
	}
	operator, err := jwt.DecodeOperatorClaims(claims.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if operator.SystemAccount != claims.System || len(claims.Accounts) != 3 || claims.Accounts[0].Key != claims.System {
		t.Errorf("the operator %+v has the accounts %+v", operator, claims.Accounts)
	}
	limits := map[string]*jwt.OperatorLimits{}
	for _, each := range claims.Accounts {
		account, err := jwt.DecodeAccountClaims(each.JWT)
		if err != nil {
			t.Fatal(err)
		}
		if !operator.DidSign(account) || account.Subject != each.Key {
			t.Errorf("the account %s is not the operator's", each.Name)
		}
		limits[each.Name] = &account.Limits
	}
	if limits["app"].DiskStorage != 1<<30 || limits["app"].MemoryStorage != -1 || limits["workers"].Conn != 7 {
		t.Errorf("the limits are %+v", limits)
	}
	if limits["workers"].IsJSEnabled() || limits["system"].IsJSEnabled() {
		t.Error("JetStream is for app only")
	}
}

func TestMintWorkerChecksWhatItSigns(t *testing.T) {
	a, _ := authority(t)
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		id, key string
		expires time.Time
	}{
		"wildcard":       {"exe-1", "p.g.*.i.exe-1", later},
		"tail wildcard":  {">", "p.g.f.i.>", later},
		"template":       {"exe-1", "p.g.{{name()}}.i.exe-1", later},
		"blank":          {"exe-1", "p.g.f f.i.exe-1", later},
		"too few tokens": {"exe-1", "p.g.f.exe-1", later},
		"too many":       {"exe-1", "p.g.f.i.j.exe-1", later},
		"empty token":    {"exe-1", "p.g..i.exe-1", later},
		"other ID":       {"exe-1", "p.g.f.i.exe-2", later},
		"no ID":          {"", "p.g.f.i.", later},
		"upper case":     {"EXE-1", "p.g.f.i.EXE-1", later},
		"expired":        {"exe-1", "p.g.f.i.exe-1", time.Now().Add(-time.Minute)},
		"never expires":  {"exe-1", "p.g.f.i.exe-1", time.Time{}},
	} {
		if _, err := a.MintWorker(c.id, c.key, c.expires); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
