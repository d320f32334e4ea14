// Package registry is a registry of container images for one machine, with the
// protocol that container engines speak. All that it has lies below one folder:
//
//	blobs/sha256/<digest>               layers and configurations
//	repositories/<name>/<digest>        manifests, with their media type
//	repositories/<name>/<tag>@tag       the digest that a tag names
//	uploads/                            what is being uploaded
//
// Each file is written whole and moved to its place, so that a crash leaves nothing
// behind but uploads. Content is checked against its digest when it comes in.
package registry

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// Options of New. Dir is needed.
type Options struct {
	// Dir is the folder of the data. It belongs to one Registry at a time.
	Dir string
	// Password is demanded of every request, with any user name. Without one
	// everybody who reaches the registry may read and write all of it.
	Password string
	// Room tells how many bytes the disk can take; optional. Uploads are refused where it
	// is less than is to be left: what else is on the disk matters more.
	Room   func() (int64, error)
	Logger *slog.Logger
}

// Registry is an http.Handler for the paths from /v2/ on.
type Registry struct {
	options Options
	log     *slog.Logger
	// using is held for reading by requests while they rely on what is stored, never
	// while bytes come in or go out, and for writing by Keep.
	using sync.RWMutex
}

// New opens the registry in a folder, after making it where it is missing.
func New(o Options) (*Registry, error) {
	if o.Dir == "" {
		return nil, errors.New("opening the registry of images: its Dir is not given")
	}
	r := &Registry{options: o, log: o.Logger}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := os.RemoveAll(r.uploads()); err != nil { // left over by a crash
		return nil, fmt.Errorf("opening the registry of images: %w", err)
	}
	for _, folder := range []string{r.blobs(), r.uploads(), r.repositories()} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("opening the registry of images: %w", err)
		}
	}
	return r, nil
}

func (r *Registry) blobs() string        { return filepath.Join(r.options.Dir, "blobs", "sha256") }
func (r *Registry) uploads() string      { return filepath.Join(r.options.Dir, "uploads") }
func (r *Registry) repositories() string { return filepath.Join(r.options.Dir, "repositories") }

// Forms of the protocol. They keep everything else out of paths.
const (
	repositoryForm = `([a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)`
	digestForm     = `(sha256:[0-9a-f]{64})`
	tagForm        = `([a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})`
)

var (
	blobPath     = regexp.MustCompile(`^/v2/` + repositoryForm + `/blobs/` + digestForm + `$`)
	uploadsPath  = regexp.MustCompile(`^/v2/` + repositoryForm + `/blobs/uploads/?$`)
	uploadPath   = regexp.MustCompile(`^/v2/` + repositoryForm + `/blobs/uploads/([0-9A-Za-z]+)$`)
	manifestPath = regexp.MustCompile(`^/v2/` + repositoryForm + `/manifests/(?:` + digestForm + `|` + tagForm + `)$`)
	digestOnly   = regexp.MustCompile(`^` + digestForm + `$`)
)

// ServeHTTP answers a request of an engine or of a client.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	if !r.allowed(request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="multinode images"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "a password is needed")
		return
	}
	path := request.URL.Path
	var err error
	if m := blobPath.FindStringSubmatch(path); m != nil {
		err = r.blob(w, request, m[2])
	} else if m := uploadsPath.FindStringSubmatch(path); m != nil {
		err = r.beginUpload(w, request, m[1])
	} else if m := uploadPath.FindStringSubmatch(path); m != nil {
		err = r.continueUpload(w, request, m[1], m[2])
	} else if m := manifestPath.FindStringSubmatch(path); m != nil {
		err = r.manifest(w, request, m[1], m[2], m[3])
	} else if path != "/v2/" && path != "/v2" {
		refuse(w, http.StatusNotFound, "UNSUPPORTED", "there is nothing at this path")
	}
	var own *protocolError
	switch {
	case err == nil:
	case errors.As(err, &own):
		refuse(w, own.status, own.code, own.text)
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "it is not here")
	default:
		r.log.Error("a request to the registry of images failed", "method", request.Method, "path", path, "error", err)
		refuse(w, http.StatusInternalServerError, "UNKNOWN", "the registry had a problem")
	}
}

func (r *Registry) allowed(request *http.Request) bool {
	if r.options.Password == "" {
		return true
	}
	_, password, _ := request.BasicAuth()
	return subtle.ConstantTimeCompare([]byte(password), []byte(r.options.Password)) == 1
}

// protocolError is an answer that the protocol has a code for.
type protocolError struct {
	status     int
	code, text string
}

func (e *protocolError) Error() string { return e.text }

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`+"\n", code, text)
}

var errMethod = &protocolError{http.StatusMethodNotAllowed, "UNSUPPORTED", "this method is not known here"}

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
