package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// PortForwards are the calls about port forwards.
type PortForwards struct {
	Reader[api.PortForward]
	Deleter[api.PortForward]
}

// PortForwards returns the calls about port forwards.
func (c *Client) PortForwards() PortForwards {
	return PortForwards{Reader[api.PortForward]{c, "port-forwards"}, Deleter[api.PortForward]{c, "port-forwards"}}
}

// Create starts the operation that creates a port forward.
func (p PortForwards) Create(ctx context.Context, in api.PortForwardCreate, opts ...Option) (*Result[api.PortForward], error) {
	return change[api.PortForward](ctx, p.Reader.c, http.MethodPost, p.Reader.path, in, opts)
}
