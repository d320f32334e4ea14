package model_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/embedded"
	"multinode/trust"
)

// serverFolder makes the test binary a NATS server on that folder.
const serverFolder = "MULTINODE_TEST_SERVER_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverFolder); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve ends with its standard input, if nobody kills it before.
func serve(dir string) error {
	o := embedded.DefaultOptions(dir)
	o.SyncAlways, o.Logger = false, slog.New(slog.DiscardHandler)
	s, err := embedded.Start(context.Background(), o)
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

// process is a NATS server in a process of its own.
type process struct {
	*trust.Authority
	w           *world
	folder, url string
	cmd         *exec.Cmd
}

func (p *process) start() {
	p.cmd = exec.CommandContext(p.w.ctx, os.Args[0])
	p.cmd.Env = append(os.Environ(), serverFolder+"="+p.folder)
	p.cmd.Stderr = os.Stderr
	_, err := p.cmd.StdinPipe() // which ends with this process
	p.w.must(err)
	out, err := p.cmd.StdoutPipe()
	p.w.must(err)
	p.w.must(p.cmd.Start())
	said := bufio.NewScanner(out)
	if !said.Scan() {
		p.w.t.Fatalf("the server said nothing")
	}
	p.url = said.Text()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) URL() string { return p.url }

func (p *process) Connect(name string) (*nats.Conn, error) {
	credentials, err := p.ClientCredentials(name, time.Now().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	return nats.Connect(p.url, nats.UserCredentialBytes(credentials), nats.MaxReconnects(-1),
		nats.ReconnectWait(20*time.Millisecond), nats.IgnoreAuthErrorAbort())
}

// TestAServerThatIsKilledUnderWay: after a crash the server delivers again what is
// being worked on, and what was acknowledged a moment before. Nothing comes of it.
func TestAServerThatIsKilledUnderWay(t *testing.T) {
	w := emptyWorld(t, t.TempDir(), history{Dispatchers: 2, Concurrency: []int{4, 3}, Retries: []int{1, 2}, AckWait: 3000})
	defer w.close()
	p := &process{w: w, folder: filepath.Join(w.folder, "server")}
	p.start()
	w.cleanup(func() { p.kill() })
	var err error
	p.Authority, err = trust.Load(embedded.AuthorityFile(p.folder))
	w.must(err)
	w.begin(p)
	scripts := [][]behaviour{nil, {holds}, {fails, succeeds}, {vanishes}, {repeats}, {succeeds}, {noCapacity, holds}, {timesOut}}
	for round := range 3 {
		for n := range 24 {
			w.start(step{Do: start, Function: n % functions, Parent: -1, Script: scripts[(round+n)%len(scripts)]})
		}
		w.play([]step{{Do: await, Of: 24 * round}}) // something has ended, and the rest is under way
		p.kill()
		p.start()
		w.wait("the server", func() bool {
			_, err := w.store.RecordsRevision(w.ctx)
			return err == nil
		})
	}
	w.finish()
	w.check()
	t.Logf("%d invocations survived 3 crashes", len(w.started))
}
