package client

import (
	"context"
	"net/http"
	"strconv"

	"atoll/api"
)

// WikiPages are the calls about pages.
type WikiPages struct {
	Kind[api.WikiPage, api.WikiPageCreate, api.WikiPageUpdate]
}

// WikiPages returns the calls about pages. A list takes In{"q": words} to search.
func (c *Client) WikiPages() WikiPages {
	return WikiPages{kindOf[api.WikiPage, api.WikiPageCreate, api.WikiPageUpdate](c, "pages")}
}

// HTML returns the page as HTML, as the caller sees it.
func (p WikiPages) HTML(ctx context.Context, ref string, opts ...Option) (*api.WikiHTML, error) {
	return get[api.WikiHTML](ctx, p.Reader.c, joinPath("pages", ref, "html"), opts)
}

// Render returns a text as HTML without saving it.
func (p WikiPages) Render(ctx context.Context, in api.WikiRender, opts ...Option) (*api.WikiHTML, error) {
	return post[api.WikiHTML](ctx, p.Reader.c, "pages:render", in, opts)
}

// Macros returns the macros that pages may hold.
func (p WikiPages) Macros(ctx context.Context, opts ...Option) (*api.Page[api.Macro], error) {
	return get[api.Page[api.Macro]](ctx, p.Reader.c, "macros", opts)
}

// Revisions returns one page of the page's revisions, the newest first.
func (p WikiPages) Revisions(ctx context.Context, ref string, o ListOptions) (*api.Page[api.WikiRevision], error) {
	cl := newCall(http.MethodGet, joinPath("pages", ref, "revisions"), nil)
	cl.query = o.query()
	return fetch[api.Page[api.WikiRevision]](ctx, p.Reader.c, cl)
}

// Revision returns one revision with its text.
func (p WikiPages) Revision(ctx context.Context, ref string, number int64, opts ...Option) (*api.WikiRevision, error) {
	return get[api.WikiRevision](ctx, p.Reader.c, joinPath("pages", ref, "revisions", strconv.FormatInt(number, 10)), opts)
}

// Diff compares two revisions; from 0 is an empty page.
func (p WikiPages) Diff(ctx context.Context, ref string, from, to int64, opts ...Option) (*api.WikiDiff, error) {
	opts = append(opts, Param("from", strconv.FormatInt(from, 10)))
	return get[api.WikiDiff](ctx, p.Reader.c, joinPath("pages", ref, "revisions", strconv.FormatInt(to, 10), "diff"), opts)
}

// Restore makes an old revision the newest one.
func (p WikiPages) Restore(ctx context.Context, ref string, number int64, opts ...Option) (*Result[api.WikiPage], error) {
	return change[api.WikiPage](ctx, p.Reader.c, http.MethodPost, joinPath("pages", ref, "revisions", strconv.FormatInt(number, 10), "restore"), nil, opts)
}
