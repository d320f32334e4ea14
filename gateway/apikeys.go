package gateway

import (
	"context"
	"net/http"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

func (g *Gateway) listKeys(ctx context.Context, c *call) (wire.APIKeysList, error) {
	list := wire.APIKeysList{APIKeys: []wire.APIKeyInfo{}}
	for _, k := range g.store.Keys(ctx) {
		if c.administers(k) {
			list.APIKeys = append(list.APIKeys, keyInfo(k))
		}
	}
	return list, nil
}

// administers tells whether the key is within the caller's own limits: an
// administrator of one project has nothing to do with the keys of others.
func (c *call) administers(k streams.APIKey) bool {
	return c.grant.Project == "" || c.grant.Project == k.Project
}

func (g *Gateway) createKey(ctx context.Context, c *call, d wire.APIKeyDefinition) (wire.CreatedAPIKey, error) {
	k, err := g.keyOf(d)
	if err != nil {
		return wire.CreatedAPIKey{}, err
	}
	if !c.administers(k) {
		return wire.CreatedAPIKey{}, refuse(http.StatusForbidden,
			"This API key is limited to the project %q, and can only make keys that are limited to it too: set project_name", c.grant.Project)
	}
	made, secret, err := g.store.CreateKey(ctx, k)
	if err != nil {
		return wire.CreatedAPIKey{}, err
	}
	g.log.Info("an API key was made", "key_id", made.ID, "role", made.Role, "project", made.Project, "by", c.grant.KeyID)
	return wire.CreatedAPIKey{APIKeyInfo: keyInfo(made), Key: secret}, nil
}

// keyOf checks what the tags of the wire type cannot say.
func (g *Gateway) keyOf(d wire.APIKeyDefinition) (streams.APIKey, error) {
	k := streams.APIKey{Name: d.Name, Role: streams.Role(d.Role)}
	if err := multinode.ValidateProjectName(d.Name); err != nil { // the same rules hold for any name in one line
		return k, violation("value_error", "the name contains a control character or is not valid UTF-8", "body", "name")
	}
	if d.ProjectName != nil {
		if err := multinode.ValidateProjectName(*d.ProjectName); err != nil {
			return k, violation("value_error", err.Error(), "body", "project_name")
		}
		k.Project = *d.ProjectName
	}
	if d.ExpirationTime != nil {
		at := time.Unix(*d.ExpirationTime, 0).UTC()
		if !at.After(g.now()) || at.Year() > 9999 { // later years cannot be stored
			return k, violation("value_error", "the time is past, or not in Unix seconds", "body", "expiration_time")
		}
		k.ExpiresAt = &at
	}
	return k, nil
}

// revokeKey works on every gateway as soon as the registry's change gets there.
func (g *Gateway) revokeKey(ctx context.Context, c *call) (wire.APIKeyInfo, error) {
	var found *streams.APIKey
	others := 0 // that administer everything, for ever
	for _, k := range g.store.Keys(ctx) {
		if k.ID == c.name(keyParam) {
			found = &k
		} else if administersForEver(k) {
			others++
		}
	}
	switch {
	case found == nil || !c.administers(*found):
		return wire.APIKeyInfo{}, refuse(http.StatusNotFound, "An API key with this ID does not exist")
	case found.System:
		return wire.APIKeyInfo{}, refuse(http.StatusConflict,
			"This API key is the server's own. To replace it, start the server with another one in MULTINODE_API_KEY")
	case administersForEver(*found) && others == 0:
		return wire.APIKeyInfo{}, refuse(http.StatusConflict,
			"This is the last API key that administers all projects and does not expire: without it nobody could make another. Make another one first")
	}
	if err := g.store.RevokeKey(ctx, found.ID); err != nil {
		return wire.APIKeyInfo{}, err
	}
	g.log.Info("an API key was revoked", "key_id", found.ID, "role", found.Role, "project", found.Project, "by", c.grant.KeyID)
	return keyInfo(*found), nil
}

func administersForEver(k streams.APIKey) bool {
	return k.Role == streams.RoleAdmin && k.Project == "" && k.ExpiresAt == nil
}

func keyInfo(k streams.APIKey) wire.APIKeyInfo {
	info := wire.APIKeyInfo{
		KeyID: k.ID, Name: k.Name, Role: wire.Role(k.Role), CreationTime: k.CreatedAt.Unix(),
		ExpirationTime: unixOrNil(k.ExpiresAt), IsServersOwn: k.System,
	}
	if k.Project != "" {
		info.ProjectName = &k.Project
	}
	return info
}
