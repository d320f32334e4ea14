package images

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Places in every image that is made here.
const (
	// RunnerPath is this program: the entrypoint is "RunnerPath runner".
	RunnerPath = "/usr/local/bin/multinode"
	// CodeFolder is the working directory, and belongs to the image's user.
	CodeFolder = "/app"
	// User is who the code runs as, by number: bases know no such user by name.
	User = 65532
)

// labels name what an image was made of.
const labelPrefix = "org.multinode."

// Config is how containers of an image start.
type Config struct {
	// Python is the interpreter, absolute or to be found in PATH; empty for none.
	Python string
	// Path is put before the PATH of the base; empty for nothing.
	Path string
	// Environment is added to that of the base.
	Environment map[string]string
	// Command is what RunnerPath is started with; "runner" by default.
	Command string
	// WorkingDir is CodeFolder by default.
	WorkingDir string
	// User is by number; that of the constant by default.
	User *int
	// KeepUser leaves the user to the base, where it names one.
	KeepUser bool
	// Labels are put below "org.multinode.".
	Labels map[string]string
}

// RunnerLayer holds the program of that file, which must be static and made for
// the image's platform.
func RunnerLayer(dir, program string) (*Layer, error) {
	return NewLayer(dir, Content{From: program, To: RunnerPath})
}

// CodeLayer holds a project, which belongs to that user; the constant is who all run as
// but those that a base names.
func CodeLayer(dir, project string, owner int) (*Layer, error) {
	return NewLayer(dir, Content{From: project, To: CodeFolder, Owner: owner})
}

// With puts layers on top of a base, the first one lowest, and says how to start.
func With(base Base, config Config, layers ...v1.Layer) (v1.Image, error) {
	kind, err := base.image.MediaType()
	if err != nil {
		return nil, explain("reading the base image "+base.Reference, err)
	}
	var added []mutate.Addendum
	for _, l := range layers {
		// The same history whether the layer was made here or found in a registry.
		one := mutate.Addendum{Layer: l, MediaType: types.OCILayer, History: v1.History{CreatedBy: "multinode"}}
		if kind == types.DockerManifestSchema2 { // one family in an image
			one.MediaType = types.DockerLayer
			one.Layer = docker{l}
		}
		added = append(added, one)
	}
	image, err := mutate.Append(base.image, added...)
	if err != nil {
		return nil, explain("adding layers to "+base.Reference, err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, explain("reading the base image "+base.Reference, err)
	}
	file = file.DeepCopy()
	config.apply(&file.Config, base)
	file.Created = v1.Time{}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, fmt.Errorf("configuring the image: %w", err)
	}
	return image, nil
}

// docker is a layer in an image of Docker's own form.
type docker struct{ v1.Layer }

func (docker) MediaType() (types.MediaType, error) { return types.DockerLayer, nil }

func (c Config) apply(to *v1.Config, base Base) {
	to.Entrypoint, to.Cmd = []string{RunnerPath, cmp.Or(c.Command, "runner")}, nil
	to.WorkingDir, to.Healthcheck = cmp.Or(c.WorkingDir, CodeFolder), nil
	if !c.KeepUser || to.User == "" {
		user := User
		if c.User != nil {
			user = *c.User
		}
		to.User = fmt.Sprintf("%d:%d", user, user)
		setDefault(to, "HOME", "/tmp") // that user has no folder of its own
	}
	if c.Path != "" {
		before := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		if own, ok := lookUp(to.Env, "PATH"); ok {
			before = own
		}
		set(to, "PATH", c.Path+":"+before)
	}
	if c.Python != "" {
		set(to, "MULTINODE_PYTHON", c.Python)
	}
	set(to, "MULTINODE_PROJECT_DIR", to.WorkingDir)
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		set(to, name, c.Environment[name])
	}
	labels := map[string]string{}
	maps.Copy(labels, to.Labels)
	labels[labelPrefix+"base"] = base.Reference
	for name, value := range c.Labels {
		labels[labelPrefix+name] = value
	}
	to.Labels = labels
}

func setDefault(to *v1.Config, name, value string) {
	if _, ok := lookUp(to.Env, name); !ok {
		set(to, name, value)
	}
}

func lookUp(env []string, name string) (string, bool) {
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func set(to *v1.Config, name, value string) {
	to.Env = slices.DeleteFunc(slices.Clone(to.Env), func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
	to.Env = append(to.Env, name+"="+value)
}
