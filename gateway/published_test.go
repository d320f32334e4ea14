package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// PublishedClient returns a Python with the published client installed. It is
// made once and kept in the user's cache: it never changes.
func PublishedClient(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "multinode-tests", "client-1.0.1")
	python := filepath.Join(folder, "bin", "python")
	if _, err := os.Stat(filepath.Join(folder, "complete")); err == nil {
		return python
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "new-")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
			t.Fatalf("install the published client, which takes Python 3.9 to 3.12 and PyPI: %v\n%s", err, out)
		}
	}
	run("python3", "-m", "venv", fresh)
	run(filepath.Join(fresh, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "multinode==1.0.1")
	run("touch", filepath.Join(fresh, "complete"))
	// Another test may have been faster; its result is as good.
	if err := os.Rename(fresh, folder); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return python
}

// What the rules of the contract derive is what the published client derives.
func TestThePublishedClientDerivesTheStatusOfTheRecord(t *testing.T) {
	t.Parallel()
	python := PublishedClient(t)
	const cases = 2000
	var input bytes.Buffer
	histories := make([]facts, cases)
	for seed := range histories {
		histories[seed] = history(rand.New(rand.NewPCG(uint64(seed), 1)))
		if err := json.NewEncoder(&input).Encode(project(histories[seed])); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "derive.py"))
	command.Stdin, command.WaitDelay = &input, time.Second
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	decoder := json.NewDecoder(bytes.NewReader(output))
	for seed, f := range histories {
		var got struct {
			Status     string  `json:"status"`
			Result     *string `json:"result"`
			Error      *string `json:"error"`
			Terminated bool    `json:"terminated"`
			Failures   int     `json:"failures"`
		}
		if err := decoder.Decode(&got); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		oracle := derive(project(f))
		var result *string
		if oracle.result != nil {
			if err := json.Unmarshal([]byte(*oracle.result), &result); err != nil {
				t.Fatal(err)
			}
		}
		if got.Status != wanted(f.record.Status) || got.Terminated != f.record.Status.Terminal() || got.Failures != oracle.failures ||
			differs(got.Result, result) || differs(got.Error, oracle.error) {
			t.Fatalf("seed %d: it derives %+v of the record %+v", seed, got, f.record)
		}
	}
}
