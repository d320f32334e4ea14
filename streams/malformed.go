package streams

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"multinode"
)

// ErrMalformed means that a stored request can never be run. What is wrapped
// beside it says why.
var ErrMalformed = errors.New("the request is malformed")

// maxID is the longest ID of an invocation, in bytes. Ours have 36.
const maxID = 128

// namelessPrefix begins the IDs that are given to requests whose own cannot be
// used.
const namelessPrefix = "malformed-"

// Nameless tells whether the ID was given to a request whose own could not be
// used. Such an invocation has ended, or will; its request is not found by its ID.
func Nameless(id string) bool { return strings.HasPrefix(id, namelessPrefix) }

// RequestID returns the ID of the invocation that a request on this subject
// makes.
func RequestID(subject string) string {
	id, _ := idOfToken(subject[strings.LastIndexByte(subject, '.')+1:])
	return id
}

// idOfToken returns the ID that the last token of a request's subject stands
// for. With the reason why that one cannot be used comes another, which belongs
// to this token alone: an invocation that is as it should be is never meant.
func idOfToken(token string) (string, error) {
	id, err := FromToken(token)
	if err == nil {
		err = checkID(id)
	}
	if err == nil {
		return id, nil
	}
	sum := sha256.Sum256([]byte(token))
	return namelessPrefix + hex.EncodeToString(sum[:16]), err
}

func checkID(id string) error {
	switch {
	case id == "":
		return errors.New("the invocation's ID is empty")
	case len(id) > maxID:
		return fmt.Errorf("the invocation's ID is longer than %d bytes", maxID)
	case !utf8.ValidString(id):
		return fmt.Errorf("the invocation's ID %q is not UTF-8", id)
	case strings.IndexFunc(id, unicode.IsControl) >= 0:
		return fmt.Errorf("the invocation's ID %q has a control character", id)
	case Nameless(id):
		return fmt.Errorf("the invocation's ID begins with %q, which is reserved", namelessPrefix)
	}
	return nil
}

// parseLineage reads the names of the ancestors of the invocation k. Whatever
// they are used for later, they must be names.
func parseLineage(k multinode.InvocationKey, text string) ([]multinode.Ancestor, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxLineage {
		return nil, fmt.Errorf("the header %s is longer than %d bytes", headerLineage, maxLineage)
	}
	var lineage []multinode.Ancestor
	if err := json.Unmarshal([]byte(text), &lineage); err != nil {
		return nil, fmt.Errorf("the header %s is no list of ancestors: %w", headerLineage, err)
	}
	if len(lineage) > multinode.MaxDepth {
		return nil, fmt.Errorf("the header %s names more than %d ancestors", headerLineage, multinode.MaxDepth)
	}
	known := map[multinode.Ancestor]struct{}{{Function: k.Function, ID: k.ID}: {}}
	for _, a := range lineage {
		if err := errors.Join(multinode.ValidateFunctionName(a.Function), checkID(a.ID)); err != nil {
			return nil, fmt.Errorf("the header %s names an ancestor that cannot be one: %w", headerLineage, err)
		}
		if _, twice := known[a]; twice {
			return nil, fmt.Errorf("the header %s has a circle at %s of %s", headerLineage, a.ID, a.Function)
		}
		known[a] = struct{}{}
	}
	return lineage, nil
}

func checkVersion(id string) error {
	if id == "" || multinode.ValidID(multinode.VersionPrefix, id) {
		return nil
	}
	return fmt.Errorf("%w: the header %s is not the ID of one", ErrVersionUnknown, headerVersion)
}

func checkInput(input []byte) error {
	switch {
	case !utf8.Valid(input):
		return errors.New("the input is not UTF-8")
	case len(input) > multinode.MaxInput && utf8.RuneCount(input) > multinode.MaxInput:
		return fmt.Errorf("the input is longer than %d characters", multinode.MaxInput)
	}
	return nil
}
