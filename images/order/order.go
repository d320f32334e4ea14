// Package order is how a build, which runs in a container anywhere, gets its work
// from the control plane and says how it ended: over HTTP, because everything can
// reach the gateway and a bundle is large, with a ticket that names one attempt to
// build one version. No request names a version besides: a builder, and the user's
// code that runs beside it, can do nothing to any other.
package order

import (
	"context"
	"errors"
	"io"

	"multinode"
)

// Order is what to build.
type Order struct {
	// Bundle is the digest of the code.
	Bundle string `json:"bundle"`
	// Environment holds the values of the .env file. Only main.py sees them.
	Environment map[string]string `json:"environment,omitempty"`
	// Base is the image that the builder runs in, without the builder, by digest.
	Base string `json:"base"`
	// BaseName is what people know the base by: it is noted in the image.
	BaseName string `json:"base_name,omitempty"`
	// Runner is an image whose top layer is the runner, by digest; where it is empty,
	// the program that builds is packed.
	Runner string `json:"runner,omitempty"`
	// SystemPackages lets the code have the packages of the base's own Python, too, and
	// the user of the base: it is an image of the project's own.
	SystemPackages bool `json:"system_packages,omitempty"`
	// Python is the version of it that the project asks for; empty for none.
	Python string `json:"python,omitempty"`
	// Platform is such as "linux/amd64".
	Platform string `json:"platform"`
	// Repository is where the image goes.
	Repository string `json:"repository"`
	// Credentials are for registries, by their names. They never reach pip nor
	// main.py; give none that are good for more than Repository and Base.
	Credentials map[string]Credential `json:"credentials,omitempty"`
	// Insecure allows registries without TLS.
	Insecure bool `json:"insecure,omitempty"`
	// Labels are noted in the image.
	Labels map[string]string `json:"labels,omitempty"`
}

// Credential is for one registry.
type Credential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Report is how a build ended: with Functions and Image, with Failure or with Trouble.
type Report struct {
	Functions []multinode.FunctionSpec `json:"functions,omitempty"`
	// Image is a reference by digest.
	Image string `json:"image,omitempty"`
	// Base is the digest of the base for the platform.
	Base string `json:"base,omitempty"`
	// Failure is the fault of the project, for the user.
	Failure string `json:"failure,omitempty"`
	// Trouble is nobody's fault, or the server's: another build may do better.
	Trouble string `json:"trouble,omitempty"`
}

// Control is who ordered the build. Its methods may be called again with the same.
type Control interface {
	Order(ctx context.Context) (Order, error)
	// Bundle opens the code of the order.
	Bundle(ctx context.Context) (io.ReadCloser, error)
	// Progress tells lines for the user.
	Progress(ctx context.Context, lines []string) error
	Report(ctx context.Context, r Report) error
}

// ErrOver means that nobody wants the result any more: the version is prepared,
// undeployed, or built by another attempt.
var ErrOver = errors.New("this build is not wanted any more")
