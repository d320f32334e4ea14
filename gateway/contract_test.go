package gateway_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"multinode"
	"multinode/internal/pythontest"
)

// What the OpenAPI document says, holds: schemathesis sends what it allows and
// what it forbids, and compares every answer with it, once about things that
// exist, and once, at random, about any. What it sends is always the same.
func TestTheGatewayDoesWhatItsDocumentSays(t *testing.T) {
	schemathesis := filepath.Join(filepath.Dir(pythontest.WithDownloads(t, "schemathesis==4.32.5")), "schemathesis")
	config, err := os.ReadFile(filepath.Join("testdata", "schemathesis.toml"))
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := filepath.Abs(filepath.Join("testdata", "schemathesis_hooks.py"))
	if err != nil {
		t.Fatal(err)
	}
	general, _, found := strings.Cut(string(config), "[parameters]")
	if !found {
		t.Fatal("the configuration names nothing that exists")
	}
	// What it makes itself never ends, as nothing runs it: it would follow that for ever.
	anything := []string{"--phases=fuzzing", "--exclude-checks=positive_data_acceptance", "--exclude-operation-id-regex=^follow_"}
	for name, c := range map[string]struct {
		config string
		args   []string
	}{
		"what exists": {string(config), nil},
		"anything":    {general, anything},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			file := filepath.Join(t.TempDir(), "schemathesis.toml")
			s.must(os.WriteFile(file, []byte(c.config), 0o600))
			args := append([]string{"--config-file", file, "run", s.url + "/openapi.json",
				"--header", "Authorization: Bearer " + adminKey, "--no-color"}, c.args...)
			command := exec.CommandContext(t.Context(), schemathesis, args...)
			command.Dir = t.TempDir()
			command.Env = append(os.Environ(), "HOOKS="+hooks)
			command.Env = append(command.Env, s.everything()...)
			out, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if strings.Contains(s.logs.String(), "level=ERROR") {
				t.Errorf("the gateway logged an error:\n%s", s.logs)
			}
		})
	}
}

// everything makes one thing of each kind, with an invocation that has ended, and
// returns their names as environment variables.
func (s *system) everything() []string {
	s.t.Helper()
	p, v := s.deploy("p", spec("f"))
	_, k := s.invoke(p, "f", "[[1], {}]")
	x := s.run(k)
	s.must(s.store.PutYield(s.t.Context(), x, []byte("1")))
	s.must(s.store.PutLogs(s.t.Context(), x, []multinode.LogLine{{Stream: "stdout", Text: "hello"}}))
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("2")})
	return []string{"VERSION=" + v.ID, "INVOCATION=" + k.ID, "EXECUTION=" + x.ID, "DIGEST=" + s.upload("stands for an archive")}
}
