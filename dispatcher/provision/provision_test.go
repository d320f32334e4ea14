package provision_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"multinode/dispatcher/provision"
)

func TestValidateNamesEveryFault(t *testing.T) {
	err := provision.Intent{
		ExecutionID: "../evil",
		Environment: map[string]string{"A-B": "x", "GOOD": "a\x00b", "1X": "", "": ""},
	}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"../evil"`, `"A-B"`, "GOOD contains a zero byte", `"1X"`, `"" is not`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}

func TestValidateAcceptsWhatIsUsable(t *testing.T) {
	err := provision.Intent{
		ExecutionID: "exe-00ff_A",
		Environment: map[string]string{"MULTINODE_API_URL": "http://x", "_x1": ""},
	}.Validate()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExecutionIDs(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "a.b", "ä", strings.Repeat("a", 129)} {
		if provision.ValidateExecutionID(id) == nil {
			t.Errorf("%q was accepted", id)
		}
	}
}

func TestKindIsFoundInTheChain(t *testing.T) {
	cause := errors.New("full")
	err := fmt.Errorf("launching: %w", &provision.Error{Kind: provision.NoCapacity, RetryAfter: time.Second, Err: cause})
	if provision.KindOf(err) != provision.NoCapacity || provision.RetryAfter(err) != time.Second || !errors.Is(err, cause) {
		t.Errorf("kind %v, retry after %v", provision.KindOf(err), provision.RetryAfter(err))
	}
	if provision.KindOf(cause) != provision.Transient || provision.RetryAfter(cause) != 0 {
		t.Error("a foreign error is not transient")
	}
}
