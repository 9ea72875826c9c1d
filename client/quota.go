package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Quota returns what an account, cloudspace or project uses and may use. kind is
// the plural in the path: accounts, cloudspaces or projects.
func (c *Client) Quota(ctx context.Context, kind, ref string, opts ...Option) (*api.QuotaList, error) {
	return get[api.QuotaList](ctx, c, joinPath(kind, ref, "quota"), opts)
}

// SetQuota sets the given limits, and leaves the others.
func (c *Client) SetQuota(ctx context.Context, kind, ref string, in api.QuotaSet, opts ...Option) (*Result[api.QuotaList], error) {
	return change[api.QuotaList](ctx, c, http.MethodPut, joinPath(kind, ref, "quota"), in, opts)
}
