package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"time"

	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

// shell is what every POSIX system has there.
const shell = "/bin/sh"

// gate waits for the word at descriptor 3, notes that the worker has started, and
// becomes the runner. Descriptor 4, the lock, stays open. $0 is the file to make.
const gate = `read -r word <&3 && [ "$word" = go ] && : >"$0" && exec 3<&- && exec "$@"`

// start fills the folder, whose lock the caller has, and starts the worker.
func (p *Provisioner) start(ctx context.Context, f folder, lock *os.File, intent provision.Intent) error {
	if err := f.empty(); err != nil {
		return err
	}
	r := record{
		Format:      1,
		ExecutionID: intent.ExecutionID,
		Key:         intent.ExecutionKey,
		Project:     intent.Project,
		Version:     intent.Version,
		Function:    intent.Function,
		Invocation:  intent.Invocation,
		LaunchedAt:  time.Now().UTC(),
		Boot:        bootID(),
	}
	if err := f.write(r); err != nil {
		return err
	}
	p.at("intended")
	if err := os.WriteFile(f.creds(), intent.Credentials, 0o600); err != nil {
		return err
	}
	if err := copyTree(ctx, intent.Code.ProjectDir, f.project()); err != nil {
		return fmt.Errorf("copying the project: %w", err)
	}
	p.at("prepared")

	process, open, err := p.fork(f, lock, intent)
	if err != nil {
		return err
	}
	p.at("forked")
	err = p.admit(f, process, open, r)
	if err != nil {
		// The gate was never opened, or nobody stood there: nothing has run.
		_ = open.Close()
		_, waited := process.Wait()
		return errors.Join(err, waited)
	}
	// From here on the watcher looks after it.
	_ = open.Close()
	_ = process.Release()
	return nil
}

// fork starts the shell at the gate. Closing the returned file without writing to
// it makes the shell exit.
func (p *Provisioner) fork(f folder, lock *os.File, intent provision.Intent) (*os.Process, *os.File, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = null.Close() }()
	log, err := os.OpenFile(f.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = log.Close() }()
	wait, open, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = wait.Close() }()
	argv := append([]string{shell, "-c", gate, f.startedFile()}, p.options.Command...)
	process, err := os.StartProcess(shell, argv, &os.ProcAttr{
		Dir:   f.project(),
		Env:   environment(p.options.Environ, f, intent),
		Files: []*os.File{null, log, log, wait, lock},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		_ = open.Close()
		return nil, nil, err
	}
	return process, open, nil
}

// admit records the process, and then lets it through the gate.
func (p *Provisioner) admit(f folder, process *os.Process, open *os.File, r record) error {
	e, err := lookup(process.Pid)
	if err != nil {
		return fmt.Errorf("reading the process table: %w", err)
	}
	r.PID, r.Start = process.Pid, e.start
	if err := f.write(r); err != nil {
		return err
	}
	p.at("recorded")
	if _, err := open.WriteString("go\n"); err != nil {
		return fmt.Errorf("the worker's process ended before it was started: %w: %s", err, tail(f.log()))
	}
	p.at("started")
	return nil
}

// inherited are the variables that workers get from the dispatcher's environment,
// besides those that begin with LC_.
var inherited = map[string]bool{
	"PATH": true, "HOME": true, "LANG": true, "TMPDIR": true, "TZ": true, "SSL_CERT_FILE": true,
	"HTTP_PROXY": true, "HTTPS_PROXY": true, "ALL_PROXY": true, "NO_PROXY": true,
	"http_proxy": true, "https_proxy": true, "all_proxy": true, "no_proxy": true,
}

// environment is all that the runner gets.
func environment(own []string, f folder, intent provision.Intent) []string {
	values := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin"}
	for _, variable := range own {
		name, value, _ := strings.Cut(variable, "=")
		if inherited[name] || strings.HasPrefix(name, "LC_") {
			values[name] = value
		}
	}
	maps.Copy(values, failpoint.Environment()) // to crash there, too, where a test wants it
	for name, value := range intent.Environment {
		values[name] = value
	}
	values[idVariable] = intent.ExecutionID
	values["MULTINODE_WORKER_DIR"] = f.path
	values["MULTINODE_PROJECT_DIR"] = f.project()
	values["MULTINODE_NATS_CREDS"] = f.creds()
	values["MULTINODE_PYTHON"] = intent.Code.Python
	list := make([]string, 0, len(values))
	for name, value := range values {
		list = append(list, name+"="+value)
	}
	return list
}
