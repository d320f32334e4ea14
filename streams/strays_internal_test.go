package streams

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
)

func openInternal(t *testing.T) *Store {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	check(t, err)
	t.Cleanup(nc.Close)
	s, err := Open(t.Context(), nc, Options{})
	check(t, err)
	t.Cleanup(s.Close)
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// versionOf stores a version with a bundle and an environment, and does not
// activate it.
func versionOf(t *testing.T, s *Store, p multinode.Project) multinode.Version {
	t.Helper()
	content := []byte("code of " + p.Generation)
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	_, err := s.PutBundle(t.Context(), digest, bytes.NewReader(content))
	check(t, err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation, Bundle: digest,
		CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing,
		Functions: []multinode.FunctionSpec{{Name: "fn", MaxConcurrency: 1, Timeout: time.Hour}},
	}
	check(t, s.CreateVersion(t.Context(), v, map[string]string{"A": "b"}))
	return v
}

// remains returns what is stored of a generation of a project.
func remains(t *testing.T, s *Store, v multinode.Version) (found []string) {
	t.Helper()
	for name := range s.js.StreamNames(t.Context()).Name() {
		if name == requestStream(v.Project, v.Generation, "fn") {
			found = append(found, name)
		}
	}
	for _, key := range []string{
		versionKey(v.Project, v.Generation, v.ID), environmentKey(v.Project, v.Generation, v.ID), functionKey(v.Project, v.Generation, "fn"),
		buildKey(v.Project, v.Generation, v.ID),
	} {
		if _, err := s.registry.kv.Get(t.Context(), key); err == nil {
			found = append(found, key)
		} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
			t.Fatal(err)
		}
	}
	if has, err := s.HasBundle(t.Context(), v.Bundle); err != nil {
		t.Fatal(err)
	} else if has {
		found = append(found, v.Bundle)
	}
	return found
}

// TestWhatAWokenPreparerLeavesIsRemoved: it had been suspended just before it made
// a stream, and the project was undeployed meanwhile.
func TestWhatAWokenPreparerLeavesIsRemoved(t *testing.T) {
	s := openInternal(t)
	ctx := t.Context()
	gone, err := s.CreateProject(ctx, "p")
	check(t, err)
	late := versionOf(t, s, gone)
	check(t, s.DeleteProject(ctx, gone))
	if left := remains(t, s, late); len(left) > 0 {
		t.Fatalf("the undeploy left %q", left)
	}
	// What it does when it wakes.
	_, err = s.PutBundle(ctx, late.Bundle, bytes.NewReader([]byte("code of "+gone.Generation)))
	check(t, err)
	check(t, s.registry.create(ctx, versionKey("p", gone.Generation, late.ID), late))
	_, err = s.registry.kv.Put(ctx, environmentKey("p", gone.Generation, late.ID), []byte("{}"))
	check(t, err)
	check(t, s.BeginBuild(ctx, BuildKeyOf(late), "attempt", time.Now(), []byte("{}")))
	_, err = s.ensureFunctionStream(ctx, late, late.Functions[0])
	check(t, err)
	check(t, s.noteActivation(ctx, late, late.Functions[0], 0))

	other, err := s.CreateProject(ctx, "other")
	check(t, err)
	lives := versionOf(t, s, other)
	check(t, s.Activate(ctx, lives))
	again, err := s.CreateProject(ctx, "p")
	check(t, err)
	v := versionOf(t, s, again)
	if err := s.Activate(ctx, v); !errors.Is(err, ErrTaken) {
		t.Fatalf("with another stream on its subject it answered %v", err)
	}
	for _, want := range []int{5, 0} {
		if n, err := s.RemoveStrays(ctx); err != nil || n != want {
			t.Errorf("%d strays were removed, not %d: %v", n, want, err)
		}
	}
	if left := remains(t, s, late); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	check(t, s.Activate(ctx, v))
	for _, v := range []multinode.Version{lives, v} {
		if kept := remains(t, s, v); len(kept) != 5 {
			t.Errorf("of a project that is there only these are left: %q", kept)
		}
	}
}

func TestNothingIsActivatedForAProjectThatHasGone(t *testing.T) {
	s := openInternal(t)
	p, err := s.CreateProject(t.Context(), "p")
	check(t, err)
	v := versionOf(t, s, p)
	now := time.Now()
	_, err = s.UpdateProject(t.Context(), p.Name, p.Generation, func(p *multinode.Project) error { p.DeletionRequestedAt = &now; return nil })
	check(t, err)
	for range 2 { // while it is undeployed, and after it
		if err := s.Activate(t.Context(), v); !errors.Is(err, ErrNotFound) {
			t.Errorf("it answered %v", err)
		}
		check(t, s.DeleteProject(t.Context(), p))
	}
	if left := remains(t, s, v); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

// TestAVersionThatIsStoredWhileItsProjectGoesIsNotLeft: it came between the last
// look of the undeploy for versions and the removal of the project.
func TestAVersionThatIsStoredWhileItsProjectGoesIsNotLeft(t *testing.T) {
	s := openInternal(t)
	for name, come := range map[string]func(multinode.Project) multinode.Version{
		"whoever stores it is killed": func(p multinode.Project) multinode.Version {
			v := versionOf(t, s, p)
			s.registry.mu.Lock()
			s.registry.entries[versionKey("p", p.Generation, v.ID)] = registryEntry{revision: 1 << 40} // not seen by the undeploy
			s.registry.mu.Unlock()
			check(t, s.registry.kv.Delete(context.WithoutCancel(t.Context()), environmentKey("p", p.Generation, v.ID)))
			check(t, s.DeleteProject(t.Context(), p))
			return v
		},
		"whoever stores it goes on": func(p multinode.Project) multinode.Version {
			v := versionOf(t, s, p)
			check(t, s.DeleteProject(t.Context(), p))
			_, err := s.PutBundle(t.Context(), v.Bundle, bytes.NewReader([]byte("code of "+p.Generation)))
			check(t, err)
			if err := s.CreateVersion(t.Context(), v, map[string]string{"A": "b"}); !errors.Is(err, ErrNotFound) {
				t.Errorf("it was told %v", err)
			}
			return v
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := s.CreateProject(t.Context(), "p")
			check(t, err)
			if left := remains(t, s, come(p)); len(left) > 0 {
				t.Errorf("left are %q", left)
			}
		})
	}
}
