package client

import (
	"errors"
	"net/http"
	"testing"

	"multinode/wire"
)

func TestKeys(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.EscapedPath())
		switch r.Method {
		case http.MethodGet:
			answer(w, http.StatusOK, wire.APIKeysList{APIKeys: []wire.APIKeyInfo{{KeyID: "key-1"}}})
		case http.MethodDelete:
			answer(w, http.StatusOK, wire.APIKeyInfo{KeyID: "a/b"})
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	if list, err := c.Keys(t.Context()); err != nil || len(list.APIKeys) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if info, err := c.RevokeKey(t.Context(), "a/b"); err != nil || info.KeyID != "a/b" {
		t.Errorf("%+v, %v", info, err)
	}
	// Not repeated: each try that worked would leave a key behind.
	var refused *Error
	if _, err := c.CreateKey(t.Context(), wire.APIKeyDefinition{Name: "x", Role: wire.RoleRead}); !errors.As(err, &refused) || refused.Status != http.StatusBadGateway {
		t.Errorf("%v", err)
	}
	want := []string{"GET /api-keys", "DELETE /api-keys/a%2Fb", "POST /api-keys"}
	if len(asked) != len(want) {
		t.Fatalf("asked %q, want %q", asked, want)
	}
	for i := range want {
		if asked[i] != want[i] {
			t.Errorf("asked %q, want %q", asked[i], want[i])
		}
	}
}
