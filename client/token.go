package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Tokens are the calls about API tokens.
type Tokens struct {
	Reader[api.Token]
	Deleter[api.Token]
}

// Tokens returns the calls about API tokens.
func (c *Client) Tokens() Tokens {
	return Tokens{Reader[api.Token]{c, "tokens"}, Deleter[api.Token]{c, "tokens"}}
}

// Create makes a token; its secret is in the answer and nowhere else.
func (t Tokens) Create(ctx context.Context, in api.TokenCreate, opts ...Option) (*Result[api.TokenCreated], error) {
	return change[api.TokenCreated](ctx, t.Reader.c, http.MethodPost, t.Reader.path, in, opts)
}
