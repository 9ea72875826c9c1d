package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Users are the calls about people.
type Users struct {
	Reader[api.User]
	Deleter[api.User]
}

// Users returns the calls about people.
func (c *Client) Users() Users {
	return Users{Reader[api.User]{c, "users"}, Deleter[api.User]{c, "users"}}
}

// Create makes a user; the one-time link that sets a password is in the answer
// and nowhere else.
func (u Users) Create(ctx context.Context, in api.UserCreate, opts ...Option) (*Result[api.UserCreated], error) {
	return change[api.UserCreated](ctx, u.Reader.c, http.MethodPost, u.Reader.path, in, opts)
}

// Update changes a user.
func (u Users) Update(ctx context.Context, ref string, in api.UserUpdate, opts ...Option) (*Result[api.User], error) {
	return change[api.User](ctx, u.Reader.c, http.MethodPatch, joinPath(u.Reader.path, ref), in, opts)
}

// SetPassword sets a user's password; one's own needs the old one.
func (u Users) SetPassword(ctx context.Context, ref string, in api.PasswordSet, opts ...Option) error {
	cl := newCall(http.MethodPost, joinPath(u.Reader.path, ref, "password"), opts)
	cl.json = in
	res, err := u.Reader.c.send(ctx, cl)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// SetupLink makes a one-time link with which the user sets a password.
func (u Users) SetupLink(ctx context.Context, ref string) (*api.SetupLink, error) {
	return post[api.SetupLink](ctx, u.Reader.c, joinPath(u.Reader.path, ref, "setup-link"), nil, nil)
}

// Setup sets a password with the secret of a one-time link.
func (c *Client) Setup(ctx context.Context, in api.Setup) error {
	_, err := post[api.SessionCreated](ctx, c, "setup", in, nil)
	return err
}

// Me is who the caller is, and what it may.
func (c *Client) Me(ctx context.Context) (*api.Me, error) { return get[api.Me](ctx, c, "me", nil) }
