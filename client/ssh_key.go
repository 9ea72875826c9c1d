package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// SSHKeys are the calls about ssh keys.
type SSHKeys struct {
	Reader[api.SSHKey]
	Deleter[api.SSHKey]
}

// SSHKeys returns the calls about ssh keys.
func (c *Client) SSHKeys() SSHKeys {
	return SSHKeys{Reader[api.SSHKey]{c, "ssh-keys"}, Deleter[api.SSHKey]{c, "ssh-keys"}}
}

// Create adds a public key to an account.
func (k SSHKeys) Create(ctx context.Context, in api.SSHKeyCreate, opts ...Option) (*Result[api.SSHKey], error) {
	return change[api.SSHKey](ctx, k.Reader.c, http.MethodPost, k.Reader.path, in, opts)
}

// Update renames an ssh key.
func (k SSHKeys) Update(ctx context.Context, ref string, in api.SSHKeyUpdate, opts ...Option) (*Result[api.SSHKey], error) {
	return change[api.SSHKey](ctx, k.Reader.c, http.MethodPatch, joinPath(k.Reader.path, ref), in, opts)
}
