package process_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/process"
	"multinode/dispatcher/provision/provisiontest"
)

func TestMain(m *testing.M) {
	if step := os.Getenv(crashVariable); step != "" {
		crashingDispatcher(step)
		return
	}
	provisiontest.Main(m)
}

func TestContract(t *testing.T) {
	provisiontest.Run(t, func(t *testing.T) provisiontest.Place {
		s := newSite(t)
		return provisiontest.Place{
			Open:   func(t *testing.T, maxWorkers int) provision.Provisioner { return s.open(t, s.options(maxWorkers)) },
			Intent: func(_ *testing.T, id string) provision.Intent { return s.intent(id) },
			Impossible: func(_ *testing.T, id string) provision.Intent {
				intent := s.intent(id)
				intent.Code.Python = filepath.Join(s.dir, "no-such-python")
				return intent
			},
		}
	})
}

// The suite again, for kernels that cannot announce the end of a process.
func TestContractByPolling(t *testing.T) {
	process.PollOnly(t)
	TestContract(t)
}

// site is a folder for workers and a project to run in them.
type site struct{ dir, project string }

func newSite(t *testing.T) site {
	t.Helper()
	s := site{dir: t.TempDir(), project: filepath.Join(t.TempDir(), "project")}
	write(t, filepath.Join(s.project, "main.py"), "print('hello')\n")
	return s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s site) options(maxWorkers int) process.Options {
	o := process.DefaultOptions(s.dir)
	o.Command = []string{os.Args[0]}
	o.MaxWorkers = maxWorkers
	o.PollInterval = 5 * time.Millisecond
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

func (s site) open(t *testing.T, o process.Options) *process.Provisioner {
	t.Helper()
	p, err := process.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s site) intent(id string) provision.Intent {
	return provision.Intent{
		ExecutionID: id, ExecutionKey: "p.g.f.i.e",
		Project:     "my_project",
		Function:    "f",
		Environment: map[string]string{},
		Credentials: []byte("secret of " + id),
		Code:        provision.Code{ProjectDir: s.project, Python: "/bin/sh"},
	}
}
