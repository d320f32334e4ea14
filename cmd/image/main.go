// Command image makes the image of the control plane, for linux/amd64 and
// linux/arm64, without a container engine: with --push it goes to a registry, with
// --out into a file for `docker load`. The same commit makes the same bytes. Run it
// from the repository's root.
//
// Registries are logged in to by Docker's own settings, or as
// MULTINODE_REGISTRY_USER with MULTINODE_REGISTRY_PASSWORD.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
)

func main() {
	var o options
	flag.StringVar(&o.push, "push", "", "the `repository` to push to, such as registry.example.com/multinode")
	flag.StringVar(&o.tag, "tag", "latest", "the tag of what is pushed or loaded")
	flag.StringVar(&o.out, "out", "", "the `file` to write instead, for docker load, which then calls it multinode:TAG")
	flag.StringVar(&o.architecture, "arch", runtime.GOARCH, "amd64 or arm64, of what --out writes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	reference, err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Println(reference)
}

// options are those of the command line.
type options struct {
	push, tag, out, architecture string
}

var errOptions = errors.New("give either --push or --out, and nothing but flags")

// run returns what the image is called from then on.
func (o options) run(ctx context.Context) (reference string, err error) {
	if (o.push == "") == (o.out == "") || flag.NArg() > 0 {
		return "", errOptions
	}
	dir, err := os.MkdirTemp("", "multinode-image-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.out != "" {
		return o.save(ctx, dir)
	}
	return o.upload(ctx, dir)
}
