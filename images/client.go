package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Options of New. All are optional.
type Options struct {
	// Credentials are asked first for what a registry demands. Where they have
	// nothing for it, Docker's own settings are asked: ~/.docker/config.json and
	// the helpers that it names.
	Credentials map[string]Credential
	// Lookup is asked next, for passwords that change; ok is false where it has nothing
	// for the host.
	Lookup func(ctx context.Context, host string) (c Credential, ok bool, err error)
	// Insecure allows HTTP without TLS for all registries. Those on loopback may
	// always do without.
	Insecure bool
	// Transport is for the requests; the default has proxies by environment, and gives a
	// connection up on which nothing goes on for Silence.
	Transport http.RoundTripper
	// Silence is two minutes by default.
	Silence time.Duration
}

// Credential is for one registry.
type Credential struct {
	Username string
	Password string
}

// Client reads and writes images in registries. Its methods may be called
// concurrently. What fails for good fails with a *Failure; other errors may be
// over by the next try.
type Client struct{ options Options }

// New returns a client.
func New(o Options) *Client {
	if o.Transport == nil {
		o.Transport = impatient(cmp.Or(o.Silence, silence))
	}
	return &Client{o}
}

func (c *Client) naming() []name.Option {
	if c.options.Insecure {
		return []name.Option{name.Insecure}
	}
	return nil
}

func (c *Client) remote(ctx context.Context, more ...remote.Option) []remote.Option {
	return append([]remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(c.keychain()),
		remote.WithTransport(c.options.Transport),
		remote.WithUserAgent("multinode"),
	}, more...)
}

// keychain has the credentials by the names of their registries.
type keychain map[string]Credential

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if c, ok := k[r.RegistryStr()]; ok {
		return &authn.Basic{Username: c.Username, Password: c.Password}, nil
	}
	return authn.Anonymous, nil
}

// Login returns what the registry of an image or a repository wants to know; both are
// empty where it asks for nothing.
func (c *Client) Login(ctx context.Context, reference string) (Credential, error) {
	ref, err := name.ParseReference(reference, c.naming()...)
	if err != nil {
		return Credential{}, failure("%q is no name of an image: %v", reference, err)
	}
	found, err := authn.Resolve(ctx, c.keychain(), ref.Context())
	if err != nil {
		return Credential{}, fmt.Errorf("looking for the credentials of %s: %w", ref.Context().RegistryStr(), err)
	}
	config, err := found.Authorization()
	if err != nil {
		return Credential{}, fmt.Errorf("looking for the credentials of %s: %w", ref.Context().RegistryStr(), err)
	}
	return Credential{Username: config.Username, Password: config.Password}, nil
}

func (c *Client) keychain() authn.Keychain {
	return authn.NewMultiKeychain(keychain(c.options.Credentials), lookup{c.options.Lookup}, authn.DefaultKeychain)
}

// lookup has the passwords that are asked for when they are needed.
type lookup struct {
	ask func(ctx context.Context, host string) (Credential, bool, error)
}

func (l lookup) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return l.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (l lookup) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	if l.ask == nil {
		return authn.Anonymous, nil
	}
	c, ok, err := l.ask(ctx, r.RegistryStr())
	if err != nil || !ok {
		return authn.Anonymous, err
	}
	return &authn.Basic{Username: c.Username, Password: c.Password}, nil
}

// RegistryOf returns the name by which credentials are kept for a repository's registry.
// Its error is a *Failure: the repository's name means nothing.
func RegistryOf(repository string) (string, error) {
	repo, err := name.NewRepository(repository)
	if err == nil && strings.Contains(repository, "://") {
		err = errors.New("it has a scheme")
	}
	if err != nil {
		return "", failure("%q is no name of a repository of images, such as registry.example/team/multinode: %v", repository, err)
	}
	return repo.RegistryStr(), nil
}

// CheckReference finds what is wrong with the name of an image, as a *Failure.
func CheckReference(reference string) error {
	if _, err := name.ParseReference(reference); err != nil {
		return failure("%q is no name of an image: %v", reference, err)
	}
	return nil
}
