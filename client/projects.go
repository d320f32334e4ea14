package client

import (
	"context"
	"net/http"
	"net/url"

	"multinode/wire"
)

// Latest is the version reference that means the newest version that is ready.
const Latest = "latest"

func projectPath(project string) string { return "/projects/" + url.PathEscape(project) }

func versionPath(project, version string) string {
	if version == "" {
		version = Latest
	}
	return projectPath(project) + "/versions/" + url.PathEscape(version)
}

// Projects lists the deployed projects, newest first.
func (c *Client) Projects(ctx context.Context) (wire.ProjectsList, error) {
	var list wire.ProjectsList
	err := c.call(ctx, request{op: "list projects", method: http.MethodGet, path: "/projects", repeat: true}, &list)
	return list, err
}

// Project describes a project.
func (c *Client) Project(ctx context.Context, name string) (wire.ProjectInfo, error) {
	var info wire.ProjectInfo
	err := c.call(ctx, request{op: "get project", method: http.MethodGet, path: projectPath(name), repeat: true}, &info)
	return info, err
}

// DeleteProject asks for a project's end: its invocations are cancelled, then it
// goes. Asking again does no harm.
func (c *Client) DeleteProject(ctx context.Context, name string) (wire.ProjectInfo, error) {
	var info wire.ProjectInfo
	err := c.call(ctx, request{op: "delete project", method: http.MethodDelete, path: projectPath(name), repeat: true}, &info)
	return info, err
}

// Versions lists a project's versions, newest first.
func (c *Client) Versions(ctx context.Context, project string) (wire.VersionsListForProject, error) {
	var list wire.VersionsListForProject
	err := c.call(ctx, request{op: "list versions", method: http.MethodGet, path: projectPath(project) + "/versions", repeat: true}, &list)
	return list, err
}

// Version describes a version; an empty one means Latest.
func (c *Client) Version(ctx context.Context, project, version string) (wire.VersionInfo, error) {
	var info wire.VersionInfo
	err := c.call(ctx, request{op: "get version", method: http.MethodGet, path: versionPath(project, version), repeat: true}, &info)
	return info, err
}
