package streams

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"multinode"
)

// All names on NATS are made here and nowhere else.
const (
	invocationsBucket = "mn-invocations"
	yieldsBucket      = "mn-yields"
	outcomesBucket    = "mn-outcomes"
	registryBucket    = "mn-registry"
	codeBucket        = "mn-code"
	logsStream        = "mn-logs"

	requestSubjects = "mn.invoke"
	retiredSubjects = "mn.retired"
	logSubjects     = "mn.logs"
	helloSubjects   = "mn.worker.hello"
	beatSubjects    = "mn.worker.beat"
	tellSubjects    = "mn.worker.tell"
	cancelSubjects  = "mn.cancel"
	buildSubjects   = "mn.build"
	builtSubjects   = "mn.built"
	placeSubjects   = "mn.place"
	leaseSubject    = "mn.lease"
	exitSubject     = "mn.exit"

	// What the library keeps of objects: their names, in base64, and their parts.
	bundleNames = "$O." + codeBucket + ".M."
	bundleParts = "$O." + codeBucket + ".C."

	// requestStreams begins the names of the functions' streams; what follows is the
	// generation of the project.
	requestStreams = "mn-invoke-"

	consumerName = "dispatch"
)

// Headers of a request. A direct client needs none of them.
const (
	headerVersion = "Mn-Version"
	headerLineage = "Mn-Lineage"
	// headerRecord says who makes the record: recordFollows, that the publisher does.
	headerRecord  = "Mn-Record"
	recordFollows = "follows"
)

// headerUsed of a deleted record's marker is the sequence of its request.
const headerUsed = "Mn-Used"

// Headers of an outcome.
const headerOutcome = "Mn-Outcome"

// Token encodes a name as one token of a subject, a key or a stream name:
// letters, digits, "-" and "_" stay, every other byte becomes "=XX" in upper
// case hexadecimal. FromToken is its inverse.
func Token(name string) string {
	plain := true
	for i := range len(name) {
		if !plainByte(name[i]) {
			plain = false
			break
		}
	}
	if plain {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plainByte(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// FromToken decodes what Token made. It refuses anything that Token would not
// have made, so that one name has one token.
func FromToken(token string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			b.WriteByte(token[i])
			continue
		}
		if i+2 >= len(token) {
			return "", fmt.Errorf("token %q ends within an escape", token)
		}
		c, err := hex.DecodeString(token[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("token %q: %w", token, err)
		}
		b.Write(c)
		i += 2
	}
	name := b.String()
	if Token(name) != token {
		return "", fmt.Errorf("token %q is not in canonical form", token)
	}
	return name, nil
}

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func join(prefix string, names ...string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, n := range names {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(Token(n))
	}
	return b.String()
}

// InvocationKeyName is the key of an invocation in a bucket.
func InvocationKeyName(k multinode.InvocationKey) string {
	return join("", k.Project, k.Generation, k.Function, k.ID)
}

// ExecutionKeyName is the key of an execution in a bucket.
func ExecutionKeyName(k multinode.ExecutionKey) string {
	return join(InvocationKeyName(k.Invocation), k.ID)
}

// ParseInvocationKey is the inverse of InvocationKeyName.
func ParseInvocationKey(key string) (multinode.InvocationKey, error) {
	names, err := parseTokens(key, 4)
	if err != nil {
		return multinode.InvocationKey{}, err
	}
	return multinode.InvocationKey{Project: names[0], Generation: names[1], Function: names[2], ID: names[3]}, nil
}

// ParseExecutionKey is the inverse of ExecutionKeyName.
func ParseExecutionKey(key string) (multinode.ExecutionKey, error) {
	names, err := parseTokens(key, 5)
	if err != nil {
		return multinode.ExecutionKey{}, err
	}
	return multinode.InvocationKey{Project: names[0], Generation: names[1], Function: names[2], ID: names[3]}.Execution(names[4]), nil
}

func parseTokens(key string, count int) ([]string, error) {
	tokens := strings.Split(key, ".")
	if len(tokens) != count {
		return nil, fmt.Errorf("key %q has %d parts, not %d", key, len(tokens), count)
	}
	for i, t := range tokens {
		name, err := FromToken(t)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, fmt.Errorf("key %q has an empty part", key)
		}
		tokens[i] = name
	}
	return tokens, nil
}

func requestSubject(k multinode.InvocationKey) string {
	return join(requestSubjects, k.Project, k.Function, k.ID)
}

func kvSubject(bucket, key string) string { return "$KV." + bucket + "." + key }

func logSubject(k multinode.ExecutionKey) string { return logSubjects + "." + ExecutionKeyName(k) }

// BuildKeyName is the key of a build, in the place of an execution's.
func BuildKeyName(k BuildKey) string { return buildKey(k.Project, k.Generation, k.Version) }

// ParseBuildKey is the inverse of BuildKeyName.
func ParseBuildKey(key string) (BuildKey, error) {
	names, err := parseTokens(key, 4)
	if err == nil && names[0] != "build" {
		err = fmt.Errorf("key %q is no build's", key)
	}
	if err != nil {
		return BuildKey{}, err
	}
	return BuildKey{Project: names[1], Generation: names[2], Version: names[3]}, nil
}

// maxReadableStream leaves room below the 255 bytes that a stream's name, which
// is also a folder's, may have.
const maxReadableStream = 200

// requestStream names the stream of a function's requests. Names too long for a
// folder are replaced by their hash.
func requestStream(project, generation, function string) string {
	name := requestStreams + generation + "-" + Token(project) + "-" + Token(function)
	if len(name) <= maxReadableStream {
		return name
	}
	sum := sha256.Sum256([]byte(project + "\x00" + function))
	return requestStreams + generation + "-" + hex.EncodeToString(sum[:])
}

func projectKey(name string) string { return join("project", name) }

func versionKey(project, generation, id string) string {
	return join("version", project, generation, id)
}

func functionKey(project, generation, name string) string {
	return join("function", project, generation, name)
}

func environmentKey(project, generation, version string) string {
	return join("env", project, generation, version)
}

func apiKeyKey(id string) string { return join("key", id) }

func revocationKey(execution string) string { return join("revoked", execution) }

func claimKey(name string) string { return join("claim", name) }

func buildKey(project, generation, version string) string {
	return join("build", project, generation, version)
}

const (
	workerSecretKey = "secret.workers"
	buildSecretKey  = "secret.builds"
)
