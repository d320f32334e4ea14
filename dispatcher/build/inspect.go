package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"multinode"
)

const (
	// maxDocument bounds what inspecting a project answers, in bytes.
	maxDocument = 16 << 20
	// maxPrinted bounds the lines shown of what main.py prints.
	maxPrinted = 200
)

// compile makes Python's bytecode of the project, so that not every worker has to.
// It is valid as long as the source is the same, whatever the file's time: workers
// get a copy. What does not compile is found when it is imported.
func (b *Builder) compile(ctx context.Context, project string, env environment) error {
	if _, err := os.Stat(filepath.Join(project, "__pycache__")); err == nil {
		return nil // it never comes with a bundle: this was done before
	}
	ignore := func(string) {}
	c := command{
		path: env.python(), dir: os.TempDir(), env: baseEnvironment(), limit: b.options.InspectTimeout, stdout: ignore, stderr: ignore,
		args: []string{"-I", "-m", "compileall", "-qq", "--invalidation-mode", "checked-hash", project},
	}
	if err := c.run(ctx); err != nil && !isExit(err) && !errors.Is(err, errTimeLimit) {
		return fmt.Errorf("compiling the project: %w", err)
	}
	return nil
}

// inspect imports main.py in its environment and returns the functions that it
// declares. It works on a copy: what the import writes is no part of the code.
func (b *Builder) inspect(ctx context.Context, code Code, environment map[string]string, tell func(string)) ([]multinode.FunctionSpec, error) {
	tell("Importing main.py")
	scratch, err := os.MkdirTemp("", "multinode-inspect-")
	if err != nil {
		return nil, fmt.Errorf("inspecting the project: %w", err)
	}
	defer os.RemoveAll(scratch)
	project, elsewhere := filepath.Join(scratch, "project"), filepath.Join(scratch, "cwd")
	if err := errors.Join(os.CopyFS(project, os.DirFS(code.ProjectDir)), os.Mkdir(elsewhere, 0o755)); err != nil {
		return nil, fmt.Errorf("copying the project: %w", err)
	}
	document, problems, err := b.runInspect(ctx, command{
		path: code.Python, args: []string{"-u", "-m", "multinode._inspect", project},
		// Not in the project: its modules must not take the place of those that the
		// inspection itself needs.
		dir: elsewhere, env: userEnvironment(environment), limit: b.options.InspectTimeout,
		stdout: limitLines(maxPrinted, tell),
	})
	if err != nil {
		return nil, inspectFailure(err, problems, b.options.InspectTimeout)
	}
	show := limitLines(maxPrinted, tell)
	for _, line := range problems.lines {
		show(line)
	}
	if len(document) == 0 {
		return nil, &Failure{Detail: withOutput("main.py ended the Python process while it was imported, without an error: look for os._exit", problems)}
	}
	return parseFunctions(document)
}

// runInspect runs the command with a pipe for its answer.
func (b *Builder) runInspect(ctx context.Context, c command) (document []byte, problems tail, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, problems, err
	}
	defer r.Close()
	c.third, c.stderr = w, problems.add
	read := make(chan []byte, 1)
	go func() {
		content, _ := io.ReadAll(io.LimitReader(r, maxDocument+1))
		read <- content
		_, _ = io.Copy(io.Discard, r)
	}()
	err = c.run(ctx)
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(drainTime))
	document = <-read
	if len(document) > maxDocument {
		return nil, problems, fmt.Errorf("its answer is larger than %d MiB", maxDocument>>20)
	}
	return document, problems, err
}

// inspectFailure tells the user's faults from the server's.
func inspectFailure(err error, problems tail, limit time.Duration) error {
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errTimeLimit):
		return &Failure{Detail: withOutput(fmt.Sprintf("importing main.py took longer than %v; "+
			"work belongs into functions, not into the top level of a module", limit), problems)}
	case !errors.As(err, &exit):
		return fmt.Errorf("inspecting the project: %w", err)
	case exit.ExitCode() == 1 && len(problems.lines) > 0:
		return &Failure{Detail: problems.String()}
	case exit.ExitCode() == 2 && strings.HasPrefix(problems.String(), "usage:"):
		return fmt.Errorf("inspecting the project: %s", problems.String())
	}
	return &Failure{Detail: withOutput("main.py ended the Python process while it was imported: "+exit.String(), problems)}
}

func withOutput(text string, output tail) string {
	if len(output.lines) == 0 {
		return text
	}
	return text + "\n" + output.String()
}

// userEnvironment is what main.py finds: what a worker gives it, without the
// names of a running invocation.
func userEnvironment(environment map[string]string) []string {
	env := append(baseEnvironment(), "PYTHONDONTWRITEBYTECODE=1")
	for name, value := range environment {
		env = append(env, name+"="+value)
	}
	return env
}

// limitLines passes on so many lines, and says so once when it stops.
func limitLines(limit int, tell func(string)) func(string) {
	count := 0
	return func(line string) {
		switch count++; {
		case count <= limit:
			tell(line)
		case count == limit+1:
			tell("(main.py prints more lines that are not shown)")
		}
	}
}

// parseFunctions reads the inspection's answer.
func parseFunctions(document []byte) ([]multinode.FunctionSpec, error) {
	var answer struct {
		Functions []struct {
			Name     string `json:"function_name"`
			Image    string `json:"docker_image_override"`
			Resource struct {
				CPUs           float64 `json:"virtual_cpus"`
				MemoryGiB      float64 `json:"memory_gbs"`
				MaxConcurrency int     `json:"max_concurrency"`
			} `json:"resource_spec"`
			Execution struct {
				MaxRetries int     `json:"max_retries"`
				Timeout    float64 `json:"timeout_seconds"`
			} `json:"execution_spec"`
		} `json:"functions"`
	}
	if err := json.Unmarshal(document, &answer); err != nil {
		return nil, &Failure{Detail: fmt.Sprintf("main.py disturbed the inspection of its functions (file descriptor 3 is not its own): %v", err)}
	}
	if len(answer.Functions) == 0 {
		return nil, &Failure{Detail: "main.py declares no function: decorate at least one with @mn.function()"}
	}
	if len(answer.Functions) > multinode.MaxFunctionsPerGroup {
		return nil, &Failure{Detail: fmt.Sprintf("main.py declares %d functions; a project has at most %d", len(answer.Functions), multinode.MaxFunctionsPerGroup)}
	}
	var functions []multinode.FunctionSpec
	seen := map[string]bool{}
	for _, f := range answer.Functions {
		spec := multinode.FunctionSpec{
			Name: f.Name, Image: f.Image, CPU: f.Resource.CPUs, MemoryGiB: f.Resource.MemoryGiB,
			MaxConcurrency: f.Resource.MaxConcurrency, MaxRetries: f.Execution.MaxRetries,
			Timeout: time.Duration(f.Execution.Timeout * float64(time.Second)),
		}
		if err := spec.Validate(); err != nil {
			return nil, &Failure{Detail: fmt.Sprintf("function %q: %v", f.Name, err)}
		}
		if seen[f.Name] {
			return nil, &Failure{Detail: fmt.Sprintf("main.py declares two functions with the name %q", f.Name)}
		}
		seen[f.Name] = true
		functions = append(functions, spec)
	}
	return functions, nil
}
