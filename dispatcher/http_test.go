package dispatcher_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/gateway"
)

// runHTTPWorker is a worker that speaks HTTP only: it neither says hello nor
// beats. It ends by itself when the file "go" is there, and on SIGTERM, unless
// there is a file "deaf".
func runHTTPWorker(folder string) error {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	path := os.Getenv("MULTINODE_API_URL") + "/projects/" + os.Getenv("MULTINODE_PROJECT_NAME") +
		"/versions/" + os.Getenv("MULTINODE_VERSION_ID") + "/functions/" + os.Getenv("MULTINODE_FUNCTION_NAME") +
		"/invocations/" + os.Getenv("MULTINODE_INVOCATION_ID") + "/executions/" + os.Getenv("MULTINODE_EXECUTION_ID")
	if err := put(path+"/start", ""); err != nil {
		return err
	}
	if exists(folder, "crash") {
		return errors.New("it crashed")
	}
	for {
		select {
		case <-terminated:
			if exists(folder, "deaf") {
				continue
			}
			return put(path+"/finish", `{"outcome":"ABORTED","final_output":"\"interrupted\""}`)
		case <-time.After(10 * time.Millisecond):
			if exists(folder, "go") {
				return put(path+"/finish", `{"outcome":"SUCCEEDED","final_output":"\"done\""}`)
			}
		}
	}
}

func exists(folder, name string) bool {
	_, err := os.Stat(filepath.Join(folder, name))
	return err == nil
}

func put(url, body string) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+os.Getenv("MULTINODE_API_KEY"))
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

// newHTTPSystem is a system whose workers have nothing but HTTP, and the folder
// they look into, with these files in it.
func newHTTPSystem(t *testing.T, files []string, change ...func(*multinode.FunctionSpec)) (*system, string, multinode.InvocationKey) {
	t.Helper()
	s, folder := newSystem(t, prelude, fn("f", change...)), t.TempDir()
	for _, name := range files {
		touch(t, folder, name)
	}
	api, err := gateway.New(gateway.Options{Store: s.store, Index: s.index, Logger: slog.New(slog.DiscardHandler)})
	s.must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = api.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = api.Close()
		<-served
	})
	s.apiURL, s.worker = "http://"+listener.Addr().String(), []string{os.Args[0], "http-worker", folder}
	s.stop()
	s.start()
	return s, folder, s.invoke(s.deploy("p"), "f")
}

func touch(t *testing.T, folder, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAWorkerOverHTTPRunsToItsEnd(t *testing.T) {
	s, folder, k := newHTTPSystem(t, nil)
	before := s.until(k, "running", running)
	if x, _ := before.Live(); !x.OverHTTP() {
		t.Errorf("%+v", x)
	}
	touch(t, folder, "go")
	done := s.end(k)
	if done.Status != multinode.Succeeded || string(s.outcome(done).Output) != `"done"` {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestCancellingAWorkerOverHTTPTerminatesIt(t *testing.T) {
	s, _, k := newHTTPSystem(t, nil)
	s.until(k, "running", running)
	_, _, err := s.store.RequestCancel(t.Context(), k)
	s.must(err)
	done := s.end(k)
	if done.Status != multinode.Cancelled || string(s.outcome(done).Output) != `"interrupted"` {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestAWorkerOverHTTPIsTimedByTheDispatcher(t *testing.T) {
	s, _, k := newHTTPSystem(t, nil, timeout(time.Second), retries(3))
	done := s.end(k)
	if done.Status != multinode.TimedOut || len(done.Executions) != 1 || string(s.outcome(done).Output) != `"interrupted"` {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestTheNextDispatcherAdoptsAWorkerOverHTTP(t *testing.T) {
	s, folder, k := newHTTPSystem(t, nil)
	s.until(k, "running", running)
	s.stop()
	s.start()
	touch(t, folder, "go")
	if done := s.end(k); done.Status != multinode.Succeeded || len(done.Executions) != 1 {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestACrashedWorkerOverHTTPCostsATry(t *testing.T) {
	s, _, k := newHTTPSystem(t, []string{"crash"}, retries(1))
	done := s.end(k)
	if done.Status != multinode.Failed || done.FailedAttempts() != 2 || done.Executions[0].Outcome != multinode.OutcomeLost {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}
