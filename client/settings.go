package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Branding is what the sign-in page shows. It needs no credential.
func (c *Client) Branding(ctx context.Context) (*api.Branding, error) {
	return get[api.Branding](ctx, c, "branding", nil)
}

// SignInProviders are the identity providers that people may sign in with. It needs
// no credential.
func (c *Client) SignInProviders(ctx context.Context) (*api.SignInProviders, error) {
	return get[api.SignInProviders](ctx, c, "login/providers", nil)
}

// Settings returns the settings of the installation.
func (c *Client) Settings(ctx context.Context) (*api.Settings, error) {
	return get[api.Settings](ctx, c, "settings", nil)
}

// UpdateSettings replaces the settings but the logo.
func (c *Client) UpdateSettings(ctx context.Context, in api.SettingsUpdate, opts ...Option) (*Result[api.Settings], error) {
	return change[api.Settings](ctx, c, http.MethodPut, "settings", in, opts)
}

// SetLogo sets the logo, of the media type image/svg+xml or image/png.
func (c *Client) SetLogo(ctx context.Context, kind string, body []byte, opts ...Option) (*Result[api.Settings], error) {
	cl := newCall(http.MethodPut, "settings/logo", opts)
	cl.raw = body
	cl.header.Set("Content-Type", kind)
	return send[api.Settings](ctx, c, cl)
}

// DeleteLogo removes the logo.
func (c *Client) DeleteLogo(ctx context.Context, opts ...Option) (*Result[api.Settings], error) {
	return change[api.Settings](ctx, c, http.MethodDelete, "settings/logo", nil, opts)
}
