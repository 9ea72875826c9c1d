package client

import (
	"context"
	"io"
	"net/http"

	"atoll/api"
)

// Scripts are the calls about scripts.
type Scripts struct {
	Reader[api.Script]
	Deleter[api.Script]
}

// Scripts returns the calls about scripts.
func (c *Client) Scripts() Scripts {
	return Scripts{Reader[api.Script]{c, "scripts"}, Deleter[api.Script]{c, "scripts"}}
}

// Create uploads a script: the next revision, if the name exists.
func (s Scripts) Create(ctx context.Context, name string, body []byte, opts ...Option) (*Result[api.Script], error) {
	cl := newCall(http.MethodPost, s.Reader.path, opts)
	cl.set("name", name)
	cl.raw = body
	return send[api.Script](ctx, s.Reader.c, cl)
}

// Source returns the script's text. Close it.
func (s Scripts) Source(ctx context.Context, ref string, opts ...Option) (io.ReadCloser, error) {
	res, err := s.Reader.c.send(ctx, newCall(http.MethodGet, joinPath(s.Reader.path, ref, "source"), opts))
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
