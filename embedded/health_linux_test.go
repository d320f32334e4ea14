package embedded_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

// A write that found no room ends a stream of nats-server for good. Who watches is told
// so when a start would help, and not before.
func TestAServerThatWritesNothingMoreSaysSoOnceThereIsRoom(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32m"); err != nil {
		if os.Getenv("CI") != "" && os.Getuid() == 0 {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	o := embeddedtest.Options(t)
	o.DataDir, o.MaxStore, o.SyncAlways = filepath.Join(disk, "data"), 1<<30, true
	s := embeddedtest.StartWith(t, o)
	_, js := connect(t, s)
	makeStreams(t, js)
	put := func(s string) error {
		_, err := js.Publish(t.Context(), "$KV.mn-yields."+s, make([]byte, 64<<10))
		return err
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	watched := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { watched <- s.Watch(ctx) }()

	ballast := filepath.Join(disk, "ballast")
	file, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := put("full"); err == nil {
		t.Fatal("a full disk took it")
	}
	select {
	case err := <-watched:
		t.Fatalf("it was told while the disk is full: %v", err)
	default:
	}
	if err := errors.Join(file.Close(), os.Remove(ballast)); err != nil {
		t.Fatal(err)
	}
	if err := put("with room"); err == nil {
		t.Log("this nats-server gets over a full disk by itself: it need not be started again any more")
	}
	select {
	case err := <-watched:
		if !errors.Is(err, embedded.ErrStoreStopped) {
			t.Fatalf("it was told %v", err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("nobody was told")
	}
	embeddedtest.Close(t, s)
	_, js = connect(t, embeddedtest.StartWith(t, o))
	if err := put("after"); err != nil {
		t.Errorf("after a start: %v", err)
	}
}
