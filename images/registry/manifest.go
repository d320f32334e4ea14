package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"multinode/internal/atomicfile"
)

// maxManifest is what engines take, in bytes.
const maxManifest = 4 << 20

// stored is a manifest as it lies on disk.
type stored struct {
	Type    string `json:"type"`
	Content []byte `json:"content"`
}

// tagSuffix ends the names of files that hold the digest of a tag. No repository,
// which is a folder beside them, can be named so.
const tagSuffix = "@tag"

// references is what a manifest names.
type references struct {
	Config    reference   `json:"config"`
	Layers    []reference `json:"layers"`
	Manifests []reference `json:"manifests"`
}

type reference struct {
	Digest string `json:"digest"`
}

func (r references) all() []string {
	var all []string
	for _, one := range append(append([]reference{r.Config}, r.Layers...), r.Manifests...) {
		if one.Digest != "" {
			all = append(all, one.Digest)
		}
	}
	return all
}

func (r *Registry) manifestFile(repository, digest string) string {
	return filepath.Join(r.repositories(), filepath.FromSlash(repository), digest)
}

func (r *Registry) tagFile(repository, tag string) string {
	return filepath.Join(r.repositories(), filepath.FromSlash(repository), tag+tagSuffix)
}

var errManifest = &protocolError{http.StatusNotFound, "MANIFEST_UNKNOWN", "there is no such image"}

func (r *Registry) manifest(w http.ResponseWriter, request *http.Request, repository, digest, tag string) error {
	switch request.Method {
	case http.MethodGet, http.MethodHead:
		if tag != "" {
			named, err := os.ReadFile(r.tagFile(repository, tag))
			if err != nil {
				return errManifest
			}
			digest = string(named)
		}
		m, err := readStored(r.manifestFile(repository, digest))
		if err != nil {
			return errManifest
		}
		touch(r.manifestFile(repository, digest))
		w.Header().Set("Content-Type", m.Type)
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", strconv.Itoa(len(m.Content)))
		if request.Method == http.MethodGet {
			_, _ = w.Write(m.Content)
		}
		return nil
	case http.MethodPut:
		return r.putManifest(w, request, repository, digest, tag)
	}
	return errMethod
}

func readStored(file string) (m stored, err error) {
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &m)
	}
	return m, err
}

func (r *Registry) putManifest(w http.ResponseWriter, request *http.Request, repository, digest, tag string) error {
	content, err := io.ReadAll(io.LimitReader(request.Body, maxManifest+1))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	actual := "sha256:" + hex.EncodeToString(sum[:])
	if len(content) > maxManifest || digest != "" && digest != actual {
		return &protocolError{http.StatusBadRequest, "DIGEST_INVALID", "the manifest is too large, or has another digest"}
	}
	r.using.RLock()
	defer r.using.RUnlock()
	if err := r.complete(repository, content); err != nil {
		return err
	}
	m, err := json.Marshal(stored{Type: request.Header.Get("Content-Type"), Content: content})
	if err != nil {
		return err
	}
	file := r.manifestFile(repository, actual)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(file, m); err != nil {
		return err
	}
	if tag != "" {
		if err := atomicfile.Write(r.tagFile(repository, tag), []byte(actual)); err != nil {
			return err
		}
	}
	created(w, "/v2/"+repository+"/manifests/"+actual, actual)
	return nil
}

// complete refuses a manifest that names what is not here.
func (r *Registry) complete(repository string, manifest []byte) error {
	names, err := named(manifest)
	if err != nil {
		return &protocolError{http.StatusBadRequest, "MANIFEST_INVALID", "this is no manifest of an image"}
	}
	for _, digest := range names.all() {
		_, err := os.Stat(r.blobFile(digest))
		_, other := os.Stat(r.manifestFile(repository, digest))
		if err != nil && other != nil {
			return &protocolError{http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "the image names " + digest + ", which was not uploaded"}
		}
	}
	return nil
}

// named returns what a manifest names: digests and nothing else.
func named(manifest []byte) (names references, err error) {
	if err := json.Unmarshal(manifest, &names); err != nil {
		return names, err
	}
	for _, digest := range names.all() {
		if !digestOnly.MatchString(digest) {
			return names, errors.New("no digest: " + strings.ToValidUTF8(digest, "?"))
		}
	}
	return names, nil
}
