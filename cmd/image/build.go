package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"multinode/images"
	"multinode/images/controlplane"
)

// savedAs is how an engine calls what it has loaded, before the tag.
const savedAs = "multinode:"

// The programs, by their packages. The NATS server is the one of go.mod, which the
// tests run with.
const (
	multinodePackage  = "multinode/cmd/multinode"
	natsServerPackage = "github.com/nats-io/nats-server/v2"
)

// save writes the image for one platform.
func (o options) save(ctx context.Context, dir string) (string, error) {
	programs, err := compile(ctx, dir, o.architecture)
	if err != nil {
		return "", err
	}
	image, err := controlplane.Image(dir, "linux/"+o.architecture, programs)
	if err != nil {
		return "", err
	}
	return savedAs + o.tag, controlplane.Save(o.out, savedAs+o.tag, image)
}

// upload pushes the image for both platforms.
func (o options) upload(ctx context.Context, dir string) (string, error) {
	var pair [2]controlplane.Programs
	for i, architecture := range []string{"amd64", "arm64"} {
		var err error
		if pair[i], err = compile(ctx, filepath.Join(dir, architecture), architecture); err != nil {
			return "", err
		}
	}
	return push(ctx, dir, o.push, o.tag, pair)
}

func push(ctx context.Context, dir, repository, tag string, pair [2]controlplane.Programs) (string, error) {
	amd64, err := controlplane.Image(dir, images.LinuxAMD64, pair[0])
	if err != nil {
		return "", err
	}
	arm64, err := controlplane.Image(dir, images.LinuxARM64, pair[1])
	if err != nil {
		return "", err
	}
	index, err := controlplane.Index(amd64, arm64)
	if err != nil {
		return "", err
	}
	return images.New(images.Options{Credentials: login(repository)}).PushIndex(ctx, repository, tag, index)
}

// login is what the environment says of the repository's registry.
func login(repository string) map[string]images.Credential {
	password := os.Getenv("MULTINODE_REGISTRY_PASSWORD")
	if password == "" {
		return nil
	}
	registry, _, _ := strings.Cut(repository, "/")
	return map[string]images.Credential{registry: {Username: os.Getenv("MULTINODE_REGISTRY_USER"), Password: password}}
}

// compile makes both programs in the folder.
func compile(ctx context.Context, dir, architecture string) (controlplane.Programs, error) {
	p := controlplane.Programs{Multinode: filepath.Join(dir, "multinode"), NATSServer: filepath.Join(dir, "nats-server")}
	for program, from := range map[string]string{p.Multinode: multinodePackage, p.NATSServer: natsServerPackage} {
		// No build ID: it depends on the folder where the compiler is.
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", program, from)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture)
		if text, err := cmd.CombinedOutput(); err != nil {
			return p, fmt.Errorf("build %s for %s: %w\n%s", from, architecture, err, text)
		}
	}
	return p, nil
}
