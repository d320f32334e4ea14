package fakeecs

import (
	"encoding/base64"
	"time"
)

// authorize gives a password for Amazon ECR's registry of the account.
func (s *Server) authorize(struct{}) (any, *failure) {
	password := randomHex(32)
	return map[string]any{"authorizationData": []map[string]any{{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:" + password)),
		"expiresAt":          seconds(s.options.Clock.Now().Add(12 * time.Hour)),
		"proxyEndpoint":      "https://" + Account + ".dkr.ecr." + Region + ".amazonaws.com",
	}}}, nil
}
