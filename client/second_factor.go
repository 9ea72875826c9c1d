package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// EnrolTOTP begins to enrol a second factor for the caller, or to replace it. It
// counts when ConfirmTOTP got a code.
func (c *Client) EnrolTOTP(ctx context.Context, in api.TOTPEnrol) (*api.TOTPSecret, error) {
	return post[api.TOTPSecret](ctx, c, "me/totp", in, nil)
}

// ConfirmTOTP makes what EnrolTOTP began the caller's second factor.
func (c *Client) ConfirmTOTP(ctx context.Context, code string) (*api.RecoveryCodes, error) {
	return post[api.RecoveryCodes](ctx, c, "me/totp/confirm", api.TOTPCode{Code: code}, nil)
}

// NewRecoveryCodes replaces the caller's recovery codes.
func (c *Client) NewRecoveryCodes(ctx context.Context, code string) (*api.RecoveryCodes, error) {
	return post[api.RecoveryCodes](ctx, c, "me/totp/recovery-codes", api.TOTPCode{Code: code}, nil)
}

// DisableTOTP ends the caller's second factor.
func (c *Client) DisableTOTP(ctx context.Context, code string) error {
	_, err := post[struct{}](ctx, c, "me/totp/disable", api.TOTPCode{Code: code}, nil)
	return err
}

// ResetTOTP ends a user's second factor and sessions.
func (u Users) ResetTOTP(ctx context.Context, ref string, opts ...Option) (*Result[api.User], error) {
	return change[api.User](ctx, u.Reader.c, http.MethodDelete, joinPath(u.Reader.path, ref, "totp"), nil, opts)
}

// Unlink ends that a user belongs to an account at an identity provider.
func (u Users) Unlink(ctx context.Context, ref string, opts ...Option) (*Result[api.User], error) {
	return change[api.User](ctx, u.Reader.c, http.MethodDelete, joinPath(u.Reader.path, ref, "identity"), nil, opts)
}
