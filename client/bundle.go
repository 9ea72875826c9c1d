package client

import (
	"context"
	"io"
	"net/http"

	"atoll/api"
)

// Bundles are the calls about the versions of projects' control scripts.
type Bundles struct {
	Reader[api.Bundle]
}

// Bundles returns the calls about control scripts.
func (c *Client) Bundles() Bundles { return Bundles{Reader[api.Bundle]{c, "bundles"}} }

// Create adds the scripts of an image, or those that the agent has.
func (b Bundles) Create(ctx context.Context, in api.BundleCreate, opts ...Option) (*Result[api.Bundle], error) {
	cl := newCall(http.MethodPost, b.Reader.path, opts)
	cl.json = in
	return send[api.Bundle](ctx, b.Reader.c, cl)
}

// BundleUpload says what an uploaded archive is.
type BundleUpload struct {
	Account, Project string // ids or names
	Files            bool   // programs, not control scripts
	Source           string // name of the file, for people
	Use              bool   // the project uses it from now on
}

// Upload adds an archive of size bytes.
func (b Bundles) Upload(ctx context.Context, in BundleUpload, archive io.Reader, size int64, opts ...Option) (*Result[api.Bundle], error) {
	cl := newCall(http.MethodPost, b.Reader.path+":upload", opts)
	cl.header.Del("Idempotency-Key") // an upload takes none: the same archive is not added again
	cl.set("account", in.Account)
	cl.set("project", in.Project)
	cl.set("source", in.Source)
	if in.Files {
		cl.set("kind", "files")
	}
	if in.Use {
		cl.set("use", "true")
	}
	cl.header.Set("Content-Type", "application/octet-stream")
	cl.body, cl.length = io.NopCloser(archive), size
	if cl.dryRun {
		cl.body, cl.length = http.NoBody, 0
	}
	return send[api.Bundle](ctx, b.Reader.c, cl)
}

// Use has the project use the version.
func (b Bundles) Use(ctx context.Context, id string, opts ...Option) (*Result[api.Bundle], error) {
	return send[api.Bundle](ctx, b.Reader.c, newCall(http.MethodPost, joinPath(b.Reader.path, id, "use"), opts))
}
