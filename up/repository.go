package up

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"multinode/images"
	"multinode/images/registry"
)

// Containers say what images are made of, and where they are kept.
type Containers struct {
	// Repository is where images are kept, such as registry.example/team/multinode.
	// Empty means a registry in the data folder, on loopback.
	Repository string
	// BaseImage is what to build on, with "{version}" for the version of Python.
	// Empty means the slim images of python.
	BaseImage string
	// Program is the file of this program for Linux that goes into images; empty means
	// the one that runs.
	Program string
	// BuildCPUs and BuildMemoryGiB are the size of the workers that make images; 0
	// means 1 CPU and 2 GiB.
	BuildCPUs, BuildMemoryGiB float64
}

// check finds names that mean nothing: otherwise the first deployment would.
func (c Containers) check() error {
	var errs []error
	if c.Repository != "" {
		_, err := images.RegistryOf(c.Repository)
		errs = append(errs, about("--repository", err))
	}
	if c.BaseImage != "" {
		errs = append(errs, about("--base-image", images.CheckReference(strings.ReplaceAll(c.BaseImage, "{version}", images.DefaultPython))))
	}
	return errors.Join(errs...)
}

func about(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}

func (c Containers) program() (string, error) {
	if c.Program != "" {
		return c.Program, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the own program, which goes into images: %w", err)
	}
	return self, nil
}

// repository is where images are kept.
type repository struct {
	name   string
	client *images.Client
	// retain removes what is not needed; nil where that is for others to do.
	retain func(digests []string) error
}

// local tells whether the registry is on this machine's loopback, where engines do
// without TLS: somebody may run one there, too.
func (r repository) local() bool {
	host, _, _ := strings.Cut(r.name, "/")
	host, _, err := net.SplitHostPort(host)
	return err == nil && loopback(host)
}

// registryUser may have any name.
const registryUser = "multinode"

// lookup is images.Options.Lookup.
type lookup func(ctx context.Context, host string) (images.Credential, bool, error)

// repository opens the registry of the data folder, unless another is given.
func (s *System) repository(ctx context.Context, c Containers, passwords lookup, log *slog.Logger) (repository, error) {
	if c.Repository != "" {
		return repository{name: c.Repository, client: images.New(images.Options{Lookup: passwords})}, nil
	}
	password, err := keptSecret(filepath.Join(s.DataDir, "registry-password"), rand.Text)
	if err != nil {
		return repository{}, err
	}
	options := registry.Options{Dir: filepath.Join(s.DataDir, "images"), Password: password, Logger: log}
	if s.server != nil { // which writes nothing more once the disk is full
		options.Room = s.server.Room
	}
	store, err := registry.New(options)
	if err != nil {
		return repository{}, err
	}
	listener, err := listenKept(ctx, filepath.Join(s.DataDir, "registry-port"), "127.0.0.1:0")
	if err != nil {
		return repository{}, fmt.Errorf("open the registry of images: %w", err)
	}
	s.onEnd("registry of images", func(context.Context) error { return ignoreClosed(listener.Close()) })
	s.run("registry of images", func(ctx context.Context) error { return store.Serve(ctx, listener) })
	host := listener.Addr().(*net.TCPAddr).String()
	return repository{
		name:   host + "/multinode",
		client: images.New(images.Options{Credentials: map[string]images.Credential{host: {Username: registryUser, Password: password}}}),
		// No build runs meanwhile: there is nothing young to be spared.
		retain: func(digests []string) error { return store.Keep(digests, 0) },
	}, nil
}

// buildEnvironment is what builds are told of how pip reaches packages. Settings that
// name files of this machine mean nothing in a container. The API is reached without a
// proxy, as workers reach it, and so is a local repository: the proxy may not know the
// way. A proxy that an image of the project's own names gets to see neither in any case,
// as the order of a build holds the repository's password.
func buildEnvironment(of []string, api, repository string, local bool) map[string]string {
	environment := map[string]string{}
	for _, pair := range of {
		name, value, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		wanted := strings.HasPrefix(upper, "PIP_") || upper == "HTTP_PROXY" || upper == "HTTPS_PROXY" || upper == "ALL_PROXY" || upper == "NO_PROXY"
		if wanted && !filepath.IsAbs(value) {
			environment[name] = value
		}
	}
	// Programs differ in which form they read, and an image may have the other.
	proxy := cmp.Or(environment["HTTPS_PROXY"], environment["https_proxy"])
	if proxy != "" {
		environment["HTTPS_PROXY"], environment["https_proxy"] = proxy, proxy
	}
	direct := []string{environment["NO_PROXY"], environment["no_proxy"], hostOf(api)}
	if local || proxy == "" {
		direct = append(direct, hostOf(repository))
	}
	direct = slices.DeleteFunc(direct, func(host string) bool { return host == "" })
	environment["NO_PROXY"] = strings.Join(slices.Compact(direct), ",")
	environment["no_proxy"] = environment["NO_PROXY"]
	return environment
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
