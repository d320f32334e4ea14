package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
	"multinode/wire"
)

// deploy makes a version from an uploaded bundle, and the project where the mode
// allows that. A dispatcher prepares the version.
func (g *Gateway) deploy(ctx context.Context, c *call, d wire.DeploymentDefinition) (wire.VersionInfo, error) {
	if err := checkEnvironment(d.Environment); err != nil {
		return wire.VersionInfo{}, err
	}
	if err := checkProjectName(c.name(projectParam)); err != nil {
		return wire.VersionInfo{}, err
	}
	stored, err := g.store.HasBundle(ctx, d.Bundle)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	if !stored {
		return wire.VersionInfo{}, refuse(http.StatusBadRequest, "There is no bundle with this digest: upload it to /bundles/%s first", d.Bundle)
	}
	p, err := g.projectFor(ctx, c, d.Mode)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	failpoint.Hit("gateway.project_made")
	v := g.newVersion(p)
	v.Bundle = d.Bundle
	if d.PythonVersion != nil {
		v.Python = *d.PythonVersion
	}
	err = g.storeVersion(ctx, v, d.Environment)
	failpoint.Hit("gateway.version_made")
	return versionInfo(v), err
}

// projectFor finds or makes the project of a deployment.
func (g *Gateway) projectFor(ctx context.Context, c *call, mode wire.DeploymentMode) (multinode.Project, error) {
	p, err := g.projectOf(ctx, c)
	if errors.Is(err, wire.ProjectDoesNotExist) && mode != wire.DeployUpgrade {
		p, err = g.store.CreateProject(ctx, c.name(projectParam))
		if !errors.Is(err, streams.ErrExists) {
			return p, err
		}
		p, err = g.projectOf(ctx, c) // somebody else was faster
	}
	switch {
	case err != nil:
		return p, err
	case p.Deleting():
		return p, wire.ProjectIsBeingDeleted
	case mode == wire.DeployCreate:
		return p, g.checkUnused(ctx, p)
	}
	return p, nil
}

// checkUnused lets a deployment that wants a new project have one in which
// nothing works yet: an earlier deployment may have failed.
func (g *Gateway) checkUnused(ctx context.Context, p multinode.Project) error {
	versions, err := g.store.Versions(ctx, p)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.State != multinode.VersionFailed {
			return wire.ProjectAlreadyExists
		}
	}
	return nil
}

// checkEnvironment never says a value.
func checkEnvironment(environment map[string]string) error {
	for name, value := range environment {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return violation("value_error", "the name of a variable is empty or has a = or NUL in it", "body", "environment")
		}
		if strings.Contains(value, "\x00") {
			return violation("value_error", "the value has a NUL in it", "body", "environment", name)
		}
	}
	return nil
}

// deploymentEvents streams the progress of a version that is being prepared.
func (g *Gateway) deploymentEvents(ctx context.Context, c *call) (eventStream, error) {
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return nil, err
	}
	v, err := g.versionOf(ctx, c, &p, c.name(versionIDParam))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit emitter) error {
		updates, err := g.store.WatchVersion(ctx, p, v.ID)
		if err != nil {
			return err
		}
		for u := range updates {
			done, err := emitUpdate(emit, u)
			if done || err != nil {
				return err
			}
		}
		return ctx.Err()
	}, nil
}

func emitUpdate(emit emitter, u streams.VersionUpdate) (done bool, err error) {
	switch {
	case u.Line != "":
		return false, emit(wire.EventProgress, wire.ProgressEvent{Line: u.Line})
	case u.Version.State == multinode.VersionReady:
		return true, emit(wire.EventReady, versionInfo(u.Version))
	case u.Version.State == multinode.VersionFailed:
		return true, emit(wire.EventFailed, wire.ErrorBody{Detail: u.Version.Failure})
	}
	return false, nil
}
