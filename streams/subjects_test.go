package streams_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"multinode"
	"multinode/streams"
)

func TestEveryNameHasOneTokenThatCanBeReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		token := streams.Token(name)
		if strings.ContainsAny(token, ".*> /\\\t\n") {
			t.Fatalf("%q is no token", token)
		}
		back, err := streams.FromToken(token)
		if err != nil || back != name {
			t.Fatalf("%q came back as %q: %v", name, back, err)
		}
	})
}

func TestKeysCanBeReadBack(t *testing.T) {
	k := multinode.InvocationKey{Project: "my project.v2", Generation: "abcdefgh", Function: "größe", ID: "inv-1"}.Execution("exe-1")
	back, err := streams.ParseExecutionKey(streams.ExecutionKeyName(k))
	if err != nil || back != k {
		t.Errorf("%+v, %v", back, err)
	}
}
