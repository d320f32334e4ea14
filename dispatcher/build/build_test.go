package build_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/bundle"
	"multinode/dispatcher/build"
)

// environments is shared by the tests: an environment takes seconds to make.
var environments string

func TestMain(m *testing.M) {
	var err error
	if environments, err = os.MkdirTemp("", "multinode-environments-"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(environments); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func builder(t *testing.T, change ...func(*build.Options)) *build.Builder {
	t.Helper()
	o := build.Options{Dir: t.TempDir(), Environments: environments, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	b, err := build.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// source packs a project with these files.
func source(t *testing.T, files map[string]string) build.Source {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		must(t, os.WriteFile(at, []byte(content), 0o644))
	}
	packed, err := bundle.Pack(dir)
	must(t, err)
	defer packed.Close()
	r, err := packed.Open()
	must(t, err)
	content, err := io.ReadAll(r)
	must(t, err)
	return build.Source{Digest: packed.Digest, Environment: packed.Environment, Bundle: opener(content)}
}

func opener(content []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

func noBundle() (io.ReadCloser, error) { return nil, errors.New("the bundle was fetched again") }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// transcript keeps progress.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (p *transcript) tell(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
}

func (p *transcript) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

const header = "from multinode import Multinode\nmn = Multinode()\n"

const simple = header + "@mn.function()\ndef f(x):\n    return x\n"

func TestPrepare(t *testing.T) {
	s := source(t, map[string]string{
		"main.py": "import os\nfrom datetime import timedelta\nimport helper\n" + header + `
print("importing with", os.environ["TOKEN"])
assert os.environ["TOKEN"] == "hunter2-secret" and helper.ANSWER == 42
assert "SECRET_OF_THE_SERVER" not in os.environ
open("written-by-import.txt", "w").write("x")

@mn.function(cpu=4.0, memory="16 GiB", max_retries=1, max_concurrency=7, timeout=timedelta(minutes=5))
def second(x): ...

@mn.function()
def first(): ...
`,
		"helper.py": "ANSWER = 42\n", ".env": "TOKEN=hunter2-secret\n",
		// None of these may take the place of a module that pip or the inspection needs.
		"json.py": "raise Exception('shadowed')", "pip.py": "raise Exception('shadowed')", "fcntl.py": "raise Exception('shadowed')",
	})
	t.Setenv("SECRET_OF_THE_SERVER", "x")
	b := builder(t)
	var said transcript
	result, err := b.Prepare(t.Context(), s, said.tell)
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	want := []multinode.FunctionSpec{
		{Name: "second", CPU: 4, MemoryGiB: 16, MaxConcurrency: 7, MaxRetries: 1, Timeout: 5 * time.Minute},
		{Name: "first", CPU: 0.1, MemoryGiB: 0.25, MaxConcurrency: 10, Timeout: time.Hour},
	}
	if !slices.Equal(result.Functions, want) {
		t.Errorf("got  %+v\nwant %+v", result.Functions, want)
	}
	for _, line := range []string{"importing with [.env value]", "Found in main.py: second, first"} {
		if !slices.Contains(said.lines, line) {
			t.Errorf("%q is not in the progress:\n%s", line, said.String())
		}
	}
	if strings.Contains(said.String(), "hunter2") {
		t.Error("a value of .env is in the progress")
	}

	code, err := b.Locate(t.Context(), s.Digest, noBundle)
	must(t, err)
	if _, err := os.Stat(filepath.Join(code.ProjectDir, "written-by-import.txt")); err == nil {
		t.Error("the import wrote into the code")
	}
	if compiled, _ := filepath.Glob(filepath.Join(code.ProjectDir, "__pycache__", "helper.*.pyc")); len(compiled) != 1 {
		t.Error("the project is not compiled")
	}
	if code.Python != "" && !strings.HasPrefix(code.Python, environments) {
		t.Errorf("python is %s", code.Python)
	}
	var again transcript
	if _, err := b.Prepare(t.Context(), build.Source{Digest: s.Digest, Environment: s.Environment, Bundle: noBundle}, again.tell); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(again.String(), "Making") || !strings.Contains(again.String(), "same requirements") {
		t.Errorf("the environment was not used again:\n%s", again.String())
	}
}

func TestUsersMistakes(t *testing.T) {
	b := builder(t, func(o *build.Options) { o.InspectTimeout = 5 * time.Second })
	for name, test := range map[string]struct {
		files map[string]string
		says  []string
	}{
		"syntax error": {map[string]string{"main.py": "def f(:\n"}, []string{"main.py", "line 1", "SyntaxError"}},
		"exception": {
			map[string]string{"main.py": "import os\nraise ValueError('got ' + os.environ['TOKEN'])\n", ".env": "TOKEN=hunter2"},
			[]string{"main.py\", line 2", "ValueError: got [.env value]"},
		},
		"missing module":  {map[string]string{"main.py": "import nosuchmodule\n"}, []string{"No module named 'nosuchmodule'", "requirements.txt"}},
		"no Multinode":    {map[string]string{"main.py": "x = 1\n"}, []string{"Multinode()"}},
		"two Multinodes":  {map[string]string{"main.py": simple + "other = Multinode()\n"}, []string{"Multinode"}},
		"no function":     {map[string]string{"main.py": header}, []string{"@mn.function()"}},
		"exits":           {map[string]string{"main.py": "import sys; sys.exit(3)\n"}, []string{"sys.exit"}},
		"exits at once":   {map[string]string{"main.py": "import os; os._exit(0)\n"}, []string{"os._exit"}},
		"exits with 3":    {map[string]string{"main.py": "import os; os._exit(3)\n"}, []string{"exit status 3"}},
		"killed":          {map[string]string{"main.py": "import os; os.kill(os.getpid(), 11)\n"}, []string{"segmentation fault"}},
		"disturbs":        {map[string]string{"main.py": simple + "import os; os.write(3, b'nonsense')\n"}, []string{"file descriptor 3"}},
		"never ends":      {map[string]string{"main.py": "print('so far')\nimport sys, time\nprint('hint', file=sys.stderr)\ntime.sleep(999)\n"}, []string{"longer than 5s", "hint"}},
		"child stays":     {map[string]string{"main.py": "import subprocess; subprocess.Popen(['sleep', '999']); raise KeyError('own')\n"}, []string{"KeyError: 'own'"}},
		"child escapes":   {map[string]string{"main.py": "import subprocess; subprocess.Popen(['sleep', '8'], start_new_session=True); raise KeyError('own')\n"}, []string{"KeyError: 'own'"}},
		"prints a lot":    {map[string]string{"main.py": "import sys\nfor i in range(100_000): print(i, file=sys.stderr)\nraise KeyError('own')\n"}, []string{"KeyError: 'own'"}},
		"reserved names":  {map[string]string{"main.py": simple}, []string{"MULTINODE_"}},
		"parameter error": {map[string]string{"main.py": header + "@mn.function(cpu=99)\ndef f(): ...\n"}, []string{"ParameterValidationError"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, test.files)
			if name == "reserved names" {
				s.Environment = map[string]string{"MULTINODE_API_KEY": "hunter2"}
			}
			var said transcript
			_, err := b.Prepare(t.Context(), s, said.tell)
			var failure *build.Failure
			if !errors.As(err, &failure) {
				t.Fatalf("%v is no failure\n%s", err, said.String())
			}
			for _, part := range test.says {
				if !strings.Contains(failure.Detail, part) {
					t.Errorf("%q is not in:\n%s", part, failure.Detail)
				}
			}
			if strings.Contains(failure.Detail+said.String(), "hunter2") || len(failure.Detail) > 16<<10 {
				t.Errorf("detail:\n%s", failure.Detail)
			}
			if len(said.lines) > 250 {
				t.Errorf("%d lines of progress", len(said.lines))
			}
		})
	}
}

func TestPrintedLinesAreLimited(t *testing.T) {
	var said transcript
	_, err := builder(t).Prepare(t.Context(), source(t, map[string]string{"main.py": simple + "for i in range(10_000): print(i)\n"}), said.tell)
	must(t, err)
	if len(said.lines) > 250 || !strings.Contains(said.String(), "not shown") {
		t.Errorf("%d lines", len(said.lines))
	}
}

func TestEnvironmentIsMinimal(t *testing.T) {
	s := source(t, map[string]string{"main.py": simple + "import os; print('names:', sorted(os.environ))\n", ".env": "OWN=x\nHOME=/nowhere\n"})
	var said transcript
	_, err := builder(t).Prepare(t.Context(), s, said.tell)
	must(t, err)
	allowed := map[string]bool{"LANG": true, "PATH": true, "HOME": true, "TMPDIR": true, "OWN": true, "PYTHONDONTWRITEBYTECODE": true, "LC_CTYPE": true}
	for _, line := range said.lines {
		names, ok := strings.CutPrefix(line, "names: ")
		if !ok {
			continue
		}
		for _, name := range strings.Split(strings.Trim(names, "[]"), ", ") {
			if !allowed[strings.Trim(name, "'")] {
				t.Errorf("%s is visible; allowed are %v", name, slices.Sorted(maps.Keys(allowed)))
			}
		}
		return
	}
	t.Errorf("no names:\n%s", said.String())
}
