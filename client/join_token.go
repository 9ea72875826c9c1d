package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// JoinTokens are the calls about the tokens with which nodes join.
type JoinTokens struct {
	Reader[api.JoinToken]
	Deleter[api.JoinToken]
}

// JoinTokens returns the calls about join tokens.
func (c *Client) JoinTokens() JoinTokens {
	return JoinTokens{Reader[api.JoinToken]{c, "join-tokens"}, Deleter[api.JoinToken]{c, "join-tokens"}}
}

// Create makes a join token; its secret is in the answer and nowhere else.
func (t JoinTokens) Create(ctx context.Context, in api.JoinTokenCreate, opts ...Option) (*Result[api.JoinTokenCreated], error) {
	return change[api.JoinTokenCreated](ctx, t.Reader.c, http.MethodPost, t.Reader.path, in, opts)
}
