package gateway

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// createVersion makes a version whose code is in a container image. A dispatcher
// prepares it.
func (g *Gateway) createVersion(ctx context.Context, c *call, d wire.VersionDefinition) (wire.VersionInfo, error) {
	functions, err := functionSpecs(d.Functions)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	if p.Deleting() {
		return wire.VersionInfo{}, wire.ProjectIsBeingDeleted
	}
	v := g.newVersion(p)
	v.Image, v.Functions = d.DefaultDockerImage, functions
	return versionInfo(v), g.storeVersion(ctx, v, nil)
}

func (g *Gateway) storeVersion(ctx context.Context, v multinode.Version, environment map[string]string) error {
	err := g.store.CreateVersion(ctx, v, environment)
	if errors.Is(err, streams.ErrNotFound) { // an undeploy began meanwhile
		return wire.ProjectIsBeingDeleted
	}
	return err
}

func (g *Gateway) newVersion(p multinode.Project) multinode.Version {
	return multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: g.now(), State: multinode.VersionPreparing,
	}
}

// functionSpecs checks what the tags of the wire types cannot say.
func functionSpecs(defined []wire.FunctionSpec) ([]multinode.FunctionSpec, error) {
	specs := make([]multinode.FunctionSpec, len(defined))
	seen := map[string]bool{}
	for i, d := range defined {
		if seen[d.FunctionName] {
			return nil, violation("value_error", "two functions have this name", "body", "functions", i, "function_name")
		}
		seen[d.FunctionName] = true
		specs[i] = multinode.FunctionSpec{
			Name: d.FunctionName, CPU: d.ResourceSpec.VirtualCPUs, MemoryGiB: d.ResourceSpec.MemoryGBs,
			MaxConcurrency: d.ResourceSpec.MaxConcurrency, MaxRetries: d.ExecutionSpec.MaxRetries,
			Timeout: time.Duration(d.ExecutionSpec.TimeoutSeconds) * time.Second,
		}
		if d.DockerImageOverride != nil {
			specs[i].Image = *d.DockerImageOverride
		}
		if err := specs[i].Validate(); err != nil {
			return nil, violation("value_error", err.Error(), "body", "functions", i)
		}
	}
	return specs, nil
}

func (g *Gateway) listVersions(ctx context.Context, c *call) (wire.VersionsListForProject, error) {
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return wire.VersionsListForProject{}, err
	}
	versions, err := g.store.Versions(ctx, p)
	list := wire.VersionsListForProject{ProjectName: p.Name, Versions: make([]wire.VersionSummary, len(versions))}
	for i, v := range versions {
		list.Versions[i] = wire.VersionSummary{
			VersionID: v.ID, CreationTime: v.CreatedAt.Unix(), State: wire.VersionState(v.State),
		}
	}
	return list, err
}

func (g *Gateway) getVersion(ctx context.Context, c *call) (wire.VersionInfo, error) {
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	v, err := g.versionOf(ctx, c, &p, c.name(versionParam))
	return versionInfo(v), err
}

func versionInfo(v multinode.Version) wire.VersionInfo {
	info := wire.VersionInfo{
		ProjectName: v.Project, VersionID: v.ID, CreationTime: v.CreatedAt.Unix(),
		Functions: make([]wire.FunctionInfo, len(v.Functions)),
		State:     wire.VersionState(v.State),
	}
	if v.Failure != "" {
		info.Failure = &v.Failure
	}
	for i, f := range v.Functions {
		info.Functions[i] = functionInfo(v, f)
	}
	return info
}

func functionInfo(v multinode.Version, f multinode.FunctionSpec) wire.FunctionInfo {
	image := f.Image
	if image == "" {
		image = v.Image
	}
	return wire.FunctionInfo{
		FunctionName: f.Name, DockerImage: image, ResourceSpec: resourceSpec(f), ExecutionSpec: executionSpec(f),
		FunctionStatus: functionStatus(v.State == multinode.VersionReady),
	}
}

func resourceSpec(f multinode.FunctionSpec) wire.ResourceSpec {
	return wire.ResourceSpec{VirtualCPUs: f.CPU, MemoryGBs: f.MemoryGiB, MaxConcurrency: f.MaxConcurrency}
}

func executionSpec(f multinode.FunctionSpec) wire.ExecutionSpec {
	return wire.ExecutionSpec{MaxRetries: f.MaxRetries, TimeoutSeconds: int(f.Timeout / time.Second)}
}

func functionStatus(ready bool) wire.FunctionStatus {
	if ready {
		return wire.FunctionReady
	}
	return wire.FunctionPending
}
