package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
	"multinode/wire"
)

func (g *Gateway) health(context.Context, *call) (wire.HealthStatus, error) {
	return wire.HealthStatus{Status: "healthy"}, nil
}

func (g *Gateway) listProjects(ctx context.Context, c *call) (wire.ProjectsList, error) {
	projects, err := g.store.Projects(ctx)
	if err != nil {
		return wire.ProjectsList{}, err
	}
	list := wire.ProjectsList{Projects: []wire.ProjectInfo{}}
	for _, p := range projects {
		if c.grant.Project == "" || c.grant.Project == p.Name && c.reaches(p) == nil {
			list.Projects = append(list.Projects, projectInfo(p))
		}
	}
	return list, nil
}

func (g *Gateway) createProject(ctx context.Context, c *call) (wire.ProjectInfo, error) {
	name := c.name(projectParam)
	if err := checkProjectName(name); err != nil {
		return wire.ProjectInfo{}, err
	}
	p, err := g.store.CreateProject(ctx, name)
	if errors.Is(err, streams.ErrExists) {
		return wire.ProjectInfo{}, wire.ProjectAlreadyExists
	}
	return projectInfo(p), err
}

func checkProjectName(name string) error {
	switch err := multinode.ValidateProjectName(name); {
	case errors.Is(err, multinode.ErrNameTooLong):
		return wire.ProjectNameIsTooLong
	case err != nil:
		return violation("value_error", err.Error(), "path", projectParam)
	}
	return nil
}

func (g *Gateway) getProject(ctx context.Context, c *call) (wire.ProjectInfo, error) {
	p, err := g.projectOf(ctx, c)
	return projectInfo(p), err
}

// deleteProject only says that the project is to go. A dispatcher sees to it.
func (g *Gateway) deleteProject(ctx context.Context, c *call) (wire.ProjectInfo, error) {
	p, err := g.projectOf(ctx, c)
	if err != nil {
		return wire.ProjectInfo{}, err
	}
	p, err = g.store.UpdateProject(ctx, p.Name, p.Generation, func(p *multinode.Project) error {
		if !p.Deleting() {
			now := g.now()
			p.DeletionRequestedAt = &now
		}
		return nil
	})
	failpoint.Hit("gateway.deletion_requested")
	return projectInfo(p), orNotFound(err, wire.ProjectDoesNotExist)
}

// containerRepositoryCredentials opens the images of all projects.
func (g *Gateway) containerRepositoryCredentials(_ context.Context, c *call) (wire.ContainerRepositoryCredentials, error) {
	if err := c.spansProjects(); err != nil {
		return wire.ContainerRepositoryCredentials{}, err
	}
	if g.options.ContainerRepository == nil {
		return wire.ContainerRepositoryCredentials{}, refuse(http.StatusNotFound,
			"This system keeps no container repository. Deploy with the multinode command of this release, which sends the code itself")
	}
	return *g.options.ContainerRepository, nil
}

func projectInfo(p multinode.Project) wire.ProjectInfo {
	return wire.ProjectInfo{
		ProjectName: p.Name, DeletionRequestTime: unixOrNil(p.DeletionRequestedAt), CreationTime: p.CreatedAt.Unix(),
	}
}

func unixOrNil(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	seconds := t.Unix()
	return &seconds
}
