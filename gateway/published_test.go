package gateway

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"multinode/internal/pythontest"
)

// PublishedClient returns a Python that has the published client installed.
func PublishedClient(t *testing.T) string {
	t.Helper()
	return pythontest.WithDownloads(t, "multinode==1.0.1")
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
