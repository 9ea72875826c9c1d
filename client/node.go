package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Nodes are the calls about nodes, which are made by joining.
type Nodes struct {
	Reader[api.Node]
	Deleter[api.Node]
}

// Nodes returns the calls about nodes.
func (c *Client) Nodes() Nodes {
	return Nodes{Reader[api.Node]{c, "nodes"}, Deleter[api.Node]{c, "nodes"}}
}

// Capacity returns what is placed on each node of what it has.
func (n Nodes) Capacity(ctx context.Context) (*api.QuotaList, error) {
	return get[api.QuotaList](ctx, n.Reader.c, "capacity", nil)
}

// Update changes a node.
func (n Nodes) Update(ctx context.Context, ref string, in api.NodeUpdate, opts ...Option) (*Result[api.Node], error) {
	return change[api.Node](ctx, n.Reader.c, http.MethodPatch, joinPath(n.Reader.path, ref), in, opts)
}
