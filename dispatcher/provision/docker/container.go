package docker

import (
	"context"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"

	"multinode/dispatcher/provision"
)

// Labels of a worker's container.
const (
	labelNamespace  = "multinode.namespace"
	labelExecution  = "multinode.execution"
	labelKey        = "multinode.execution-key"
	labelProject    = "multinode.project"
	labelVersion    = "multinode.version"
	labelFunction   = "multinode.function"
	labelInvocation = "multinode.invocation"
	labelCPU        = "multinode.nano-cpus"
	labelMemory     = "multinode.memory"
	labelLauncher   = "multinode.launcher"
)

// What the runner is told besides Intent.Environment.
const (
	idVariable    = "MULTINODE_EXECUTION_ID"
	credsVariable = "MULTINODE_NATS_CREDS_TEXT"
	dirVariable   = "MULTINODE_PROJECT_DIR"
)

// found is a container of the place.
type found struct{ container.Summary }

func (f found) execution() string { return f.Labels[labelExecution] }

// number returns a number that a label holds, and 0 where there is none.
func (f found) number(label string) int64 {
	n, _ := strconv.ParseInt(f.Labels[label], 10, 64)
	return n
}

func started(state container.ContainerState) bool { return state != container.StateCreated }

func alive(state container.ContainerState) bool {
	return state == container.StateRunning || state == container.StatePaused || state == container.StateRestarting
}

// containers lists those of the place, in any state.
func (p *Provisioner) containers(ctx context.Context) ([]found, error) {
	all, err := p.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(p.ours())})
	if err != nil {
		return nil, err
	}
	list := make([]found, 0, len(all))
	for _, c := range all {
		if provision.ValidateExecutionID(c.Labels[labelExecution]) == nil {
			list = append(list, found{c})
		}
	}
	return list, nil
}

// ours is the filter for what belongs to the place.
func (p *Provisioner) ours() filters.KeyValuePair {
	return filters.Arg("label", labelNamespace+"="+p.options.Namespace)
}

// size is what a worker takes of the engine.
type size struct{ nanoCPUs, memory int64 }

func (p *Provisioner) size(intent provision.Intent) size {
	cpus := min(intent.CPU, p.cpus)
	if p.options.CPUs > 0 {
		cpus = min(cpus, p.options.CPUs)
	}
	return size{nanoCPUs: int64(math.Round(cpus * 1e9)), memory: gib(intent.MemoryGiB)}
}

func gib(n float64) int64 { return int64(math.Round(n * (1 << 30))) }

// configure says what the container is to be.
func (p *Provisioner) configure(intent provision.Intent, from image.InspectResponse, network bridge) (*container.Config, *container.HostConfig) {
	s := p.size(intent)
	config := &container.Config{
		Image: intent.Image,
		Labels: map[string]string{
			labelNamespace: p.options.Namespace, labelExecution: intent.ExecutionID, labelKey: intent.ExecutionKey,
			labelProject: intent.Project, labelVersion: intent.Version, labelFunction: intent.Function,
			labelInvocation: intent.Invocation, labelLauncher: p.self,
			labelCPU: strconv.FormatInt(s.nanoCPUs, 10), labelMemory: strconv.FormatInt(s.memory, 10),
		},
	}
	yes, pids := true, p.options.PIDs
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode(network.id),
		Init:           &yes,
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		Tmpfs:          map[string]string{"/tmp": "rw,exec,nosuid,nodev,mode=1777"},
		ShmSize:        s.memory, // what is there counts as memory; 0 is the engine's default
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		// The runner ships what the user's code prints; this is what itself prints.
		LogConfig: container.LogConfig{Type: "local", Config: map[string]string{"max-size": "512k", "max-file": "2", "compress": "false"}},
		Resources: container.Resources{
			NanoCPUs: s.nanoCPUs, Memory: s.memory, MemorySwap: s.memory, PidsLimit: &pids,
		},
	}
	if !p.desktop { // its own engine knows the name
		host.ExtraHosts = []string{HostName + ":" + network.gateway}
	}
	var own []string
	if from.Config != nil {
		own = from.Config.Env
		if from.Config.User == "" {
			config.User = p.options.User
		}
		// The engine fills a new volume with what the image has there.
		if dir := path.Clean(from.Config.WorkingDir); path.IsAbs(dir) && dir != "/" {
			host.Mounts = []mount.Mount{{
				Type: mount.TypeVolume, Target: dir,
				VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{labelNamespace: p.options.Namespace}},
			}}
			own = append([]string{dirVariable + "=" + dir}, own...)
		}
	}
	config.Env = environment(own, intent)
	return config, host
}

// environment is what the runner gets, the image's own included.
func environment(own []string, intent provision.Intent) []string {
	values := map[string]string{"HOME": "/tmp"}
	for _, variable := range own {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	maps.Copy(values, intent.Environment)
	values[idVariable] = intent.ExecutionID
	if len(intent.Credentials) > 0 {
		values[credsVariable] = string(intent.Credentials)
	}
	list := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return list
}
