// Package controlplane makes the image that gateways, dispatchers and NATS servers
// run from. It has no base: two static programs, the certificate authorities that
// Mozilla trusts, and the folders that programs write to.
package controlplane

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"multinode/images"
)

// Places in the image.
const (
	// NATSServerPath is the program of NATS; that of multinode is images.RunnerPath.
	NATSServerPath = "/usr/local/bin/nats-server"
	// Home belongs to the user of the image: data folders are in it.
	Home = "/var/lib/multinode"

	authorities = "/etc/ssl/certs/ca-certificates.crt"
)

// Programs are files: static, and made for the image's platform.
type Programs struct{ Multinode, NATSServer string }

// Image packs the programs for "linux/amd64" or "linux/arm64". The layers are files
// in the folder dir for as long as the image is used.
func Image(dir, platform string, p Programs) (v1.Image, error) {
	of, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, fmt.Errorf("making the image: %w", err)
	}
	rest, err := furniture(dir)
	if err != nil {
		return nil, fmt.Errorf("making the image: %w", err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	// What changes least is lowest: registries and nodes keep it.
	for _, contents := range [][]images.Content{
		rest,
		{{From: p.NATSServer, To: NATSServerPath}},
		{{From: p.Multinode, To: images.RunnerPath}},
	} {
		layer, err := images.NewLayer(dir, contents...)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{CreatedBy: "multinode"}})
		if err != nil {
			return nil, fmt.Errorf("making the image: %w", err)
		}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("making the image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = of.OS, of.Architecture
	file.Config = v1.Config{
		Entrypoint: []string{images.RunnerPath},
		User:       fmt.Sprintf("%d:%d", images.User, images.User),
		WorkingDir: Home,
		Env:        []string{"HOME=" + Home, "PATH=/usr/local/bin"},
	}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, fmt.Errorf("making the image: %w", err)
	}
	return image, nil
}

// furniture is all that is no program.
func furniture(dir string) ([]images.Content, error) {
	none := filepath.Join(dir, "empty")
	certificates := filepath.Join(dir, "authorities.pem")
	if err := os.MkdirAll(none, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(certificates)
	if err != nil {
		return nil, err
	}
	for root := range bundle.Roots() {
		// A file of PEM cannot say under which conditions one is trusted.
		if root.Constraint == nil && err == nil {
			err = pem.Encode(file, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return []images.Content{
		{From: certificates, To: authorities},
		{From: none, To: "/tmp"},
		{From: none, To: Home, Owner: images.User},
	}, nil
}
