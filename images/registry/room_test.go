package registry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"multinode/images/registry"
)

// Images must not fill the disk, on which more than images lies.
func TestImagesLeaveRoomOnTheDisk(t *testing.T) {
	var room atomic.Int64
	dir := t.TempDir()
	r, err := registry.New(registry.Options{Dir: dir, Room: func() (int64, error) { return room.Load(), nil }})
	must(t, err)
	s := httptest.NewServer(r)
	defer s.Close()
	to := reference(t, s.Listener.Addr().String()+"/p:1")
	// One blob after the other: none that was begun is given up for the refusal of another.
	err = remote.Write(to, image(t), remote.WithJobs(1))
	var answer *transport.Error
	if !errors.As(err, &answer) || answer.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("without room: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "uploads")); err != nil || len(left) > 0 {
		t.Errorf("of what was refused %d are left, %v", len(left), err)
	}
	room.Store(1 << 40)
	must(t, remote.Write(to, image(t)))
}
