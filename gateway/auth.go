package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// rank orders the roles: each may do what those below it may.
var rank = map[streams.Role]int{
	streams.RoleRead:   1,
	streams.RoleInvoke: 2,
	streams.RoleDeploy: 3,
	streams.RoleAdmin:  4,
}

// authenticate finds out what the caller's API key allows.
func (g *Gateway) authenticate(ctx context.Context, header string) (streams.Grant, error) {
	scheme, key, _ := strings.Cut(header, " ")
	key = strings.TrimSpace(key)
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return streams.Grant{}, wire.NotAuthenticated
	}
	grant, err := g.store.Authenticate(ctx, key)
	if errors.Is(err, streams.ErrNotFound) {
		return streams.Grant{}, wire.APIKeyIsInvalid
	}
	return grant, err
}

// authorize checks what can be told without looking anything up: the role, and
// the project that the path names.
func (c *call) authorize(needed streams.Role) error {
	if rank[c.grant.Role] < rank[needed] {
		return refuse(http.StatusForbidden, "This API key has the role %q; this takes the role %q", c.grant.Role, needed)
	}
	project, named := c.names[projectParam]
	if named && c.grant.Project != "" && c.grant.Project != project {
		return errOtherProject
	}
	return nil
}

// spansProjects refuses keys of one project what cannot be kept within it.
func (c *call) spansProjects() error {
	if c.grant.Project == "" {
		return nil
	}
	return refuse(http.StatusForbidden, "This API key is limited to one project; this takes a key that is not")
}

var errOtherProject = refuse(http.StatusForbidden, "This API key is limited to another project")

// reaches checks that the grant is for this very project and not for an earlier
// one of the same name.
func (c *call) reaches(p multinode.Project) error {
	if c.grant.Generation != "" && c.grant.Generation != p.Generation {
		return errOtherProject
	}
	return nil
}

// writesAs checks that the caller may report for the execution: it is its
// worker, or an administrator.
func (c *call) writesAs(k multinode.ExecutionKey) error {
	if c.grant.Execution != nil && *c.grant.Execution == k {
		return nil
	}
	if c.grant.Execution == nil && c.grant.Role == streams.RoleAdmin {
		return nil
	}
	return refuse(http.StatusForbidden, "Only the worker of an execution reports for it")
}
