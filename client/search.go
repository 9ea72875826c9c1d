package client

import (
	"context"
	"net/http"
	"strconv"

	"atoll/api"
)

// Search finds objects by an id or a part of the name or title: up to limit (0 is
// the server's) of each kind, or of the given kinds alone.
func (c *Client) Search(ctx context.Context, text string, limit int, kinds ...string) (*api.SearchResult, error) {
	cl := newCall(http.MethodGet, "search", nil)
	cl.set("q", text)
	if limit > 0 {
		cl.set("limit", strconv.Itoa(limit))
	}
	for _, k := range kinds {
		cl.query.Add("kind", k)
	}
	return fetch[api.SearchResult](ctx, c, cl)
}
