package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

// crashFolder makes the test binary a server on that folder that publishes
// until it is killed, and says each number that was acknowledged.
const crashFolder = "MULTINODE_TEST_CRASH_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		fmt.Fprintln(os.Stderr, publishUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func publishUntilKilled(dir string) error {
	ctx := context.Background()
	o := embedded.DefaultOptions(dir)
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := embedded.Start(ctx, o)
	if err != nil {
		return err
	}
	conn, err := s.Connect("crash")
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "numbers", Subjects: []string{"numbers.>"}}); err != nil {
		return err
	}
	fmt.Println(s.URL())
	for i := 0; ; i++ {
		if _, err := js.Publish(ctx, fmt.Sprintf("numbers.%d", i), nil); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func TestKilledServerRecovers(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the helper said nothing")
	}
	url := lines.Text()

	o := embedded.DefaultOptions(dir)
	o.Logger = slog.New(slog.DiscardHandler)
	_, err = embedded.Start(t.Context(), o)
	if !errors.Is(err, embedded.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", cmd.Process.Pid)) {
		t.Errorf("a start beside the helper: %v", err)
	}

	acknowledged := -1
	for lines.Scan() {
		if acknowledged++; acknowledged == 100 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()

	s := embeddedtest.StartWith(t, o)
	if s.URL() != url {
		t.Errorf("the URL was %s and is %s", url, s.URL())
	}
	_, js := connect(t, s)
	numbers, err := js.Stream(t.Context(), "numbers")
	if err != nil {
		t.Fatal(err)
	}
	for i := range acknowledged + 1 {
		if _, ok := stored(t, numbers, fmt.Sprintf("numbers.%d", i)); !ok {
			t.Errorf("%d of %d was acknowledged and is lost", i, acknowledged)
		}
	}
	if _, err := js.Publish(t.Context(), "numbers.new", nil); err != nil {
		t.Error(err)
	}
}
