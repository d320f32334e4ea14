package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func (r *Registry) blobFile(digest string) string { return filepath.Join(r.blobs(), hexOf(digest)) }

func (r *Registry) blob(w http.ResponseWriter, request *http.Request, digest string) error {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		return errMethod
	}
	file, err := os.Open(r.blobFile(digest))
	if err != nil {
		return err
	}
	defer file.Close()
	touch(file.Name())
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", digest)
	http.ServeContent(w, request, "", time.Time{}, file) // ranges, too
	return nil
}

// touch notes that somebody relies on finding it here.
func touch(file string) {
	now := time.Now()
	_ = os.Chtimes(file, now, now) // at worst it is pushed once more
}

// beginUpload answers at once where the blob is here: in whatever repository, as
// there is one store for all.
func (r *Registry) beginUpload(w http.ResponseWriter, request *http.Request, repository string) error {
	if request.Method != http.MethodPost {
		return errMethod
	}
	mount := request.URL.Query().Get("mount")
	if digestOnly.MatchString(mount) && r.has(mount) {
		created(w, "/v2/"+repository+"/blobs/"+mount, mount)
		return nil
	}
	upload := rand.Text()
	if err := os.WriteFile(r.uploadFile(upload), nil, 0o600); err != nil {
		return err
	}
	if digest := request.URL.Query().Get("digest"); digest != "" {
		return r.finishUpload(w, request, repository, upload, digest)
	}
	return r.accepted(w, repository, upload)
}

// has tells whether a blob is here, and notes that somebody relies on that.
func (r *Registry) has(digest string) bool {
	r.using.RLock()
	defer r.using.RUnlock()
	_, err := os.Stat(r.blobFile(digest))
	if err == nil {
		touch(r.blobFile(digest))
	}
	return err == nil
}

func (r *Registry) uploadFile(upload string) string { return filepath.Join(r.uploads(), upload) }

func created(w http.ResponseWriter, location, digest string) {
	w.Header().Set("Location", location)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}

func (r *Registry) accepted(w http.ResponseWriter, repository, upload string) error {
	info, err := os.Stat(r.uploadFile(upload))
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v2/"+repository+"/blobs/uploads/"+upload)
	w.Header().Set("Docker-Upload-UUID", upload)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, info.Size()-1)))
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (r *Registry) continueUpload(w http.ResponseWriter, request *http.Request, repository, upload string) error {
	if _, err := os.Stat(r.uploadFile(upload)); errors.Is(err, fs.ErrNotExist) {
		return &protocolError{http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no such upload"}
	}
	switch request.Method {
	case http.MethodPatch:
		if err := r.receive(request, upload); err != nil {
			return err
		}
		return r.accepted(w, repository, upload)
	case http.MethodPut:
		return r.finishUpload(w, request, repository, upload, request.URL.Query().Get("digest"))
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
		return os.Remove(r.uploadFile(upload))
	}
	return errMethod
}

// receive adds the request's body to an upload.
func (r *Registry) receive(request *http.Request, upload string) error {
	file, err := os.OpenFile(r.uploadFile(upload), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	var content io.Reader = request.Body
	if r.options.Room != nil {
		content = &roomy{Reader: content, room: r.options.Room}
	}
	_, err = io.Copy(file, content)
	if errors.Is(err, errNoRoom) {
		err = errors.Join(err, os.Remove(file.Name())) // at once: what came of it takes room
	}
	return errors.Join(err, file.Close())
}

func (r *Registry) finishUpload(w http.ResponseWriter, request *http.Request, repository, upload, digest string) error {
	if !digestOnly.MatchString(digest) {
		return &protocolError{http.StatusBadRequest, "DIGEST_INVALID", "a SHA-256 digest is needed"}
	}
	if err := r.receive(request, upload); err != nil {
		return err
	}
	if err := r.settle(upload, digest); err != nil {
		return err
	}
	created(w, "/v2/"+repository+"/blobs/"+digest, digest)
	return nil
}

// settle checks an upload, and moves it to its place once it is on disk.
func (r *Registry) settle(upload, digest string) error {
	file, err := os.OpenFile(r.uploadFile(upload), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != hexOf(digest) {
		return errors.Join(&protocolError{http.StatusBadRequest, "DIGEST_INVALID", "the content has another digest"}, os.Remove(file.Name()))
	}
	if err := file.Sync(); err != nil {
		return err
	}
	r.using.RLock()
	defer r.using.RUnlock()
	return os.Rename(file.Name(), r.blobFile(digest))
}
