package gateway

import (
	"context"
	"errors"
	"strings"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// Names of path parameters.
const (
	projectParam    = "project_name"
	versionParam    = "version_ref_str"
	functionParam   = "function_name"
	invocationParam = "invocation_id"
	executionParam  = "execution_id"
	digestParam     = "digest"
	versionIDParam  = "version_id"
	keyParam        = "key_id"
)

// latest is the version reference that stands for the newest ready version.
const latest = "latest"

// maxID is the longest ID that is looked up, in bytes. Ours have 36; a direct
// client may have chosen another.
const maxID = 128

func (g *Gateway) projectOf(ctx context.Context, c *call) (multinode.Project, error) {
	name := c.name(projectParam)
	if multinode.ValidateProjectName(name) != nil {
		return multinode.Project{}, wire.ProjectDoesNotExist
	}
	p, err := g.store.Project(ctx, name)
	if err != nil {
		return p, orNotFound(err, wire.ProjectDoesNotExist)
	}
	return p, c.reaches(p)
}

// versionOf returns the version that the path refers to. It brings the project up to
// date where its copy is of one that was undeployed, and deployed again since: that
// one, the caller's key has to be for as well.
func (g *Gateway) versionOf(ctx context.Context, c *call, p *multinode.Project, ref string) (multinode.Version, error) {
	v, err := g.versionIn(ctx, c, p, ref)
	if !errors.Is(err, wire.VersionDoesNotExist) {
		return v, err
	}
	// Whoever deployed may have heard of it from another gateway, an instant sooner.
	current, currentErr := g.store.CurrentProject(ctx, p.Name)
	if currentErr != nil {
		return v, orNotFound(currentErr, wire.ProjectDoesNotExist)
	}
	if current.Generation == p.Generation {
		return v, err
	}
	if err := c.reaches(current); err != nil {
		return v, err
	}
	*p = current
	return g.versionIn(ctx, c, p, ref)
}

func (g *Gateway) versionIn(ctx context.Context, c *call, p *multinode.Project, ref string) (multinode.Version, error) {
	id := ref
	if strings.EqualFold(ref, latest) {
		if p.LatestVersion == "" {
			current, err := g.store.CurrentProject(ctx, p.Name) // for the same reason
			if err != nil {
				return multinode.Version{}, orNotFound(err, wire.ProjectDoesNotExist)
			}
			if err := c.reaches(current); err != nil {
				return multinode.Version{}, err
			}
			*p = current
		}
		id = p.LatestVersion
	}
	if !multinode.ValidID(multinode.VersionPrefix, id) {
		return multinode.Version{}, wire.VersionDoesNotExist
	}
	v, err := g.store.Version(ctx, *p, id)
	return v, orNotFound(err, wire.VersionDoesNotExist)
}

// functionScope is a function of a version, found by its path.
type functionScope struct {
	project multinode.Project
	version multinode.Version
	spec    multinode.FunctionSpec
}

func (s functionScope) key(invocation string) multinode.InvocationKey {
	return multinode.InvocationKey{
		Project: s.project.Name, Generation: s.project.Generation, Function: s.spec.Name, ID: invocation,
	}
}

func (g *Gateway) functionOf(ctx context.Context, c *call) (functionScope, error) {
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return functionScope{}, err
	}
	return g.functionIn(ctx, c, p, c.name(versionParam), c.name(functionParam))
}

func (g *Gateway) functionIn(ctx context.Context, c *call, p multinode.Project, ref, name string) (functionScope, error) {
	v, err := g.versionOf(ctx, c, &p, ref)
	if err != nil {
		return functionScope{}, err
	}
	spec, ok := v.Function(name)
	if !ok && v.State != multinode.VersionReady {
		// As above: it may be ready by now.
		if v, err = g.store.CurrentVersion(ctx, p, v.ID); err != nil {
			return functionScope{}, orNotFound(err, wire.VersionDoesNotExist)
		}
		spec, ok = v.Function(name)
	}
	if !ok {
		return functionScope{}, wire.FunctionDoesNotExist
	}
	return functionScope{p, v, spec}, nil
}

// invocationScope is an invocation found by its path, with its record as it was
// then.
type invocationScope struct {
	project  multinode.Project
	record   multinode.Invocation
	revision uint64
}

// invocationOf finds an invocation. An explicit version has to be the
// invocation's own; "latest" stands for any, so that an ID stays good across an
// upgrade.
func (g *Gateway) invocationOf(ctx context.Context, c *call) (invocationScope, error) {
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return invocationScope{}, err
	}
	ref, function, id := c.name(versionParam), c.name(functionParam), c.name(invocationParam)
	missing := func() error {
		if _, err := g.functionIn(ctx, c, p, ref, function); err != nil {
			return err
		}
		return wire.InvocationDoesNotExist
	}
	if id == "" || len(id) > maxID || multinode.ValidateFunctionName(function) != nil {
		return invocationScope{}, missing()
	}
	key := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: function, ID: id}
	record, revision, err := g.store.Record(ctx, key)
	if errors.Is(err, streams.ErrNotFound) {
		return invocationScope{}, missing()
	}
	if err != nil {
		return invocationScope{}, err
	}
	if !strings.EqualFold(ref, latest) && record.Version != ref {
		return invocationScope{}, missing()
	}
	return invocationScope{p, record, revision}, nil
}

// executionOf finds an execution of an invocation.
func (g *Gateway) executionOf(ctx context.Context, c *call) (invocationScope, multinode.Execution, error) {
	s, err := g.invocationOf(ctx, c)
	if err != nil {
		return s, multinode.Execution{}, err
	}
	x, ok := findExecution(s.record, c.name(executionParam))
	if !ok {
		return s, x, wire.ExecutionDoesNotExist
	}
	return s, x, nil
}

func findExecution(record multinode.Invocation, id string) (multinode.Execution, bool) {
	for _, x := range record.Executions {
		if x.ID == id {
			return x, true
		}
	}
	return multinode.Execution{}, false
}

// orNotFound replaces streams.ErrNotFound by an error of the contract.
func orNotFound(err error, replacement *wire.Error) error {
	if errors.Is(err, streams.ErrNotFound) {
		return replacement
	}
	return err
}
