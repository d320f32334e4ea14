package multinode

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// Prefixes of IDs. What follows is 32 lowercase hexadecimal digits.
const (
	InvocationPrefix = "inv"
	VersionPrefix    = "ver"
	ExecutionPrefix  = "exe"
)

// NewID returns a random ID with 128 bits of entropy, such as "inv-00ff…".
func NewID(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return prefix + "-" + hex.EncodeToString(b[:])
}

// ValidID tells whether id has the form that NewID gives for this prefix.
func ValidID(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix+"-")
	if !ok || len(digits) != 32 {
		return false
	}
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// NewGeneration returns the eight characters that tell a project from an
// earlier one of the same name.
func NewGeneration() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}
