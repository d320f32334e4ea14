package controlplane_test

import (
	"archive/tar"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"multinode/images"
	"multinode/images/controlplane"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The image holds what programs need to run alone: folders that they may write to, and
// the authorities behind registries and AWS.
func TestWhatIsInTheImage(t *testing.T) {
	dir := t.TempDir()
	p := controlplane.Programs{Multinode: filepath.Join(dir, "a"), NATSServer: filepath.Join(dir, "b")}
	must(t, os.WriteFile(p.Multinode, []byte("multinode"), 0o700))
	must(t, os.WriteFile(p.NATSServer, []byte("nats-server"), 0o700))
	image, err := controlplane.Image(t.TempDir(), images.LinuxARM64, p)
	must(t, err)
	config, err := image.ConfigFile()
	must(t, err)
	if config.OS != "linux" || config.Architecture != "arm64" {
		t.Errorf("it is for %s/%s", config.OS, config.Architecture)
	}
	layers, err := image.Layers()
	must(t, err)
	found, content := map[string]*tar.Header{}, map[string]string{}
	for _, layer := range layers {
		stream, err := layer.Uncompressed()
		must(t, err)
		for archive := tar.NewReader(stream); ; {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			text, err := io.ReadAll(archive)
			must(t, err)
			name := "/" + strings.Trim(header.Name, "/")
			found[name], content[name] = header, string(text)
		}
		must(t, stream.Close())
	}
	for name, want := range map[string]struct {
		mode  int64
		owner int
	}{
		"/tmp": {0o1777, 0}, controlplane.Home: {0o755, images.User}, "/etc": {0o755, 0},
		images.RunnerPath: {0o755, 0}, controlplane.NATSServerPath: {0o755, 0}, "/etc/ssl/certs/ca-certificates.crt": {0o644, 0},
	} {
		if h := found[name]; h == nil || h.Mode != want.mode || h.Uid != want.owner || h.Gid != want.owner {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if content[images.RunnerPath] != "multinode" || content[controlplane.NATSServerPath] != "nats-server" {
		t.Error("the programs are not at their places")
	}
	authorities := map[string]bool{}
	for rest := []byte(content["/etc/ssl/certs/ca-certificates.crt"]); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		must(t, err)
		authorities[certificate.Subject.CommonName] = true
	}
	for _, name := range []string{"Amazon Root CA 1", "ISRG Root X1", "GTS Root R1"} {
		if !authorities[name] {
			t.Errorf("%s is none of the %d authorities", name, len(authorities))
		}
	}
}

func TestUnknownPlatformsAreRefused(t *testing.T) {
	if _, err := controlplane.Image(t.TempDir(), "a/b/c/d/e", controlplane.Programs{}); err == nil {
		t.Error("there is an image for a/b/c/d/e")
	}
}
