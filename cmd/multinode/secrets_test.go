package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode/wire"
)

// said is all that a server has written to its log.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

const secretiveMain = `
import os
from multinode import Multinode
mn = Multinode()

@mn.function()
def knows(ready, done):
    open(ready, "w").write(os.environ["MULTINODE_API_KEY"])
    while not os.path.exists(done):
        pass
    return len(os.environ["TOKEN"])

@mn.function()
def fails():
    raise ValueError("no")

@mn.function()
def crashes():
    os.abort()
`

// Neither API keys nor the values of .env are ever in the log, and no other user
// of the machine can read a file that has them, even where the data folder was
// made for all to see.
func TestSecretsStaySecret(t *testing.T) {
	const token = "the-value-of-the-token"
	data, log := filepath.Join(t.TempDir(), "data"), &said{}
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o755); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	s := &server{shell: newShell(t, nil), ended: make(chan int, 1)}
	read, write := io.Pipe()
	go func() {
		s.ended <- run(context.Background(), []string{"up", "--verbose", "--data-dir", data, "--listen", "127.0.0.1:0", "--json"}, console{
			in: strings.NewReader(""), out: write, err: log, getenv: func(string) string { return "" },
			home: s.home, interrupts: s.interrupts, environments: environments, poll: time.Millisecond,
		})
		_ = write.Close()
	}()
	t.Cleanup(func() { s.stop() })
	if err := json.NewDecoder(read).Decode(s); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	user := s.login()
	out, _ := user.mustRun("keys", "create", "--name=ci", "--role=deploy", "--json")
	var made wire.CreatedAPIKey
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	dir := project(t, map[string]string{"main.py": secretiveMain, ".env": "TOKEN=" + token + "\n"})
	user.mustRun("deploy", dir, "--project-name=p")
	ready, done := filepath.Join(t.TempDir(), "ready"), filepath.Join(t.TempDir(), "done")
	args, err := json.Marshal([]string{ready, done})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan string, 1)
	go func() {
		_, out, err := user.run("invoke", "--project-name=p", "--function-name=knows", "--args", string(args))
		result <- out + err
	}()
	workers := ""
	for workers == "" {
		key, _ := os.ReadFile(ready)
		if workers = string(key); workers == "" {
			select {
			case text := <-result:
				t.Fatalf("it ended early: %s\n%s", text, log)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	secrets := map[string]string{"the token": token, "the server's own key": s.Key, "a key": made.Key, "the worker's key": workers}
	unreachable(t, data, secrets) // while the worker runs
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, <-result, "22")
	user.mustFail(exitFailure, "invoke", "--project-name=p", "--function-name=fails")
	user.mustFail(exitFailure, "invoke", "--project-name=p", "--function-name=crashes")
	user.run("invoke", "--project-name=p", "--function-name=none")
	stranger := newShell(t, nil)
	stranger.env["MULTINODE_API_URL"], stranger.env["MULTINODE_API_KEY"] = s.URL, made.Key+"x"
	contains(t, stranger.mustFail(exitFailure, "list"), "does not accept the API key")
	user.mustRun("undeploy", "--project-name=p")
	if code := s.stop(); code != exitOK {
		t.Errorf("the server ended with %d", code)
	}
	unreachable(t, data, secrets)
	for what, secret := range secrets {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s is in the log", what)
		}
	}
	if !strings.Contains(log.String(), "level=INFO") {
		t.Errorf("the log is not the whole one:\n%s", log)
	}
}

// unreachable checks that another user can get at no file with a secret in it.
func unreachable(t *testing.T, folder string, secrets map[string]string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir() && info.Mode().Perm()&0o011 == 0:
			return fs.SkipDir // nobody else gets in there
		case !info.Mode().IsRegular() || info.Mode().Perm()&0o044 == 0:
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for what, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s is in %s, which others can read (%v)", what, path, info.Mode())
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
