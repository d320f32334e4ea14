package client

import (
	"context"
	"net/http"
	"net/url"

	"multinode/wire"
)

// Keys lists the API keys that the caller may administer, newest first.
func (c *Client) Keys(ctx context.Context) (wire.APIKeysList, error) {
	var list wire.APIKeysList
	err := c.call(ctx, request{op: "list API keys", method: http.MethodGet, path: "/api-keys", repeat: true}, &list)
	return list, err
}

// CreateKey makes an API key. The answer is the only place where the key itself
// can be read. A lost answer may leave a key behind that nobody has: Keys shows
// it.
func (c *Client) CreateKey(ctx context.Context, d wire.APIKeyDefinition) (wire.CreatedAPIKey, error) {
	var made wire.CreatedAPIKey
	err := c.call(ctx, request{op: "create API key", method: http.MethodPost, path: "/api-keys", body: d}, &made)
	return made, err
}

// RevokeKey ends an API key on all gateways, and returns what it was.
func (c *Client) RevokeKey(ctx context.Context, id string) (wire.APIKeyInfo, error) {
	var info wire.APIKeyInfo
	err := c.call(ctx, request{op: "revoke API key", method: http.MethodDelete, path: "/api-keys/" + url.PathEscape(id)}, &info)
	return info, err
}
