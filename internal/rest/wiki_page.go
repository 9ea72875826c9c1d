package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"atoll/api"
	"atoll/internal/control"
	"atoll/internal/wiki"
)

func wikiPageView(p *control.WikiPage) api.WikiPage {
	return api.WikiPage{
		ID: string(p.ID), AccountID: string(p.AccountID), ProjectID: string(p.ProjectID), SpaceID: string(p.SpaceID), Space: p.Space,
		Slug: p.Slug, Title: p.Title, Revision: p.Revision, Size: p.Size, AuthorID: string(p.AuthorID), Author: p.AuthorName,
		Body: p.Body, Excerpt: p.Excerpt, MayWrite: p.MayWrite, Meta: metaView(p.Meta),
	}
}

// WikiPageIn names a page in the path.
type WikiPageIn struct {
	Page    string `path:"page" doc:"Id, or slug in a space (its / written as %2F)."`
	Space   string `query:"space" doc:"Id, or name in its scope; to find a page by its slug."`
	Account string `query:"account" doc:"Id or name; to find a space of an account or its project by name."`
	Project string `query:"project" doc:"Id or name; to find a project's space by name."`
}

func (in WikiPageIn) ref() control.WikiPageRef {
	return control.WikiPageRef{Page: in.Page, Space: control.WikiSpaceRef{Account: in.Account, Project: in.Project, Space: in.Space}}
}

// maxWikiRequest is room for the longest page in JSON, in which a byte may take six.
const maxWikiRequest = 2 << 20

func (s *Server) registerWikiPages() {
	const tag, all, one = "Pages", "/pages", "/pages/{page}"
	add(s, get(all, "list-pages", tag, "List pages, or search them"), s.wikiPageList)
	create := post(all, "create-page", tag, "Create a page")
	create.MaxBodyBytes = maxWikiRequest
	add(s, create, s.wikiPageCreate)
	add(s, get(one, "get-page", tag, "Show a page with its Markdown text"), s.wikiPageGet)
	update := patch(one, "update-page", tag, "Change a page")
	update.MaxBodyBytes = maxWikiRequest
	add(s, update, s.wikiPageUpdate)
	add(s, remove(one, "delete-page", tag, "Delete a page with its history"), s.wikiPageDelete)
	add(s, get(one+"/html", "get-page-html", tag, "Show a page as HTML"), s.wikiPageHTML)
	render := operation(http.MethodPost, "/pages:render", "render-page", tag, "Show a text as a page, without saving it", http.StatusOK)
	render.MaxBodyBytes = maxWikiRequest
	add(s, render, s.wikiRender)
	add(s, get("/macros", "list-macros", tag, "List the macros that pages may hold"), s.macroList)
}

type wikiPageList struct {
	Listing
	Q string `query:"q" maxLength:"200" doc:"Only pages that have all of these words in slug, title or text."`
}

func (s *Server) wikiPageList(ctx context.Context, r *control.Request, in *wikiPageList) (*page[api.WikiPage], error) {
	list, next, err := s.control.WikiPages(ctx, r, in.Q, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, wikiPageView), nil
}

type wikiPageCreate struct {
	Creating
	Body api.WikiPageCreate
}

func (s *Server) wikiPageCreate(ctx context.Context, r *control.Request, in *wikiPageCreate) (*created[api.WikiPage], error) {
	b := &in.Body
	p, err := s.control.CreateWikiPage(ctx, r, control.WikiSpaceRef{Account: b.Account, Project: b.Project, Space: b.Space}, control.WikiPageChange{
		Slug: &b.Slug, Title: &b.Title, Body: &b.Body, Comment: b.Comment,
	})
	if err != nil {
		return nil, err
	}
	return newObject("/pages", p.ID, p.Meta, wikiPageView(p)), nil
}

func (s *Server) wikiPageGet(ctx context.Context, r *control.Request, in *WikiPageIn) (*body[api.WikiPage], error) {
	p, err := s.control.WikiPage(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(p.Meta, wikiPageView(p)), nil
}

type wikiPageUpdate struct {
	WikiPageIn
	Versioned
	Body api.WikiPageUpdate
}

func (s *Server) wikiPageUpdate(ctx context.Context, r *control.Request, in *wikiPageUpdate) (*body[api.WikiPage], error) {
	b := &in.Body
	p, err := s.control.UpdateWikiPage(ctx, r, in.ref(), control.WikiPageChange{Slug: b.Slug, Title: b.Title, Body: b.Body, Comment: b.Comment})
	if err != nil {
		return nil, err
	}
	return object(p.Meta, wikiPageView(p)), nil
}

type wikiPageDelete struct {
	WikiPageIn
	Versioned
}

func (s *Server) wikiPageDelete(ctx context.Context, r *control.Request, in *wikiPageDelete) (*none, error) {
	return &none{}, s.control.DeleteWikiPage(ctx, r, in.ref())
}

type wikiHTML struct {
	Body api.WikiHTML
}

func wikiHTMLView(p *wiki.Page) *wikiHTML {
	v := api.WikiHTML{HTML: p.HTML, Title: p.Title, Headings: []api.WikiHeading{}, Problems: []api.WikiProblem{}}
	for _, h := range p.Headings {
		v.Headings = append(v.Headings, api.WikiHeading{Level: h.Level, ID: h.ID, Text: h.Text})
	}
	for _, w := range p.Problems {
		v.Problems = append(v.Problems, api.WikiProblem{Line: w.Line, Macro: w.Macro, Message: w.Message})
	}
	return &wikiHTML{v}
}

type wikiPageHTML struct {
	WikiPageIn
	Revision int64 `query:"revision" minimum:"1" doc:"An old revision; the newest if left out."`
}

func (s *Server) wikiPageHTML(ctx context.Context, r *control.Request, in *wikiPageHTML) (*wikiHTML, error) {
	p, err := s.control.WikiHTML(ctx, r, in.ref(), in.Revision)
	if err != nil {
		return nil, err
	}
	return wikiHTMLView(p), nil
}

type wikiRender struct {
	Body api.WikiRender
}

func (s *Server) wikiRender(ctx context.Context, r *control.Request, in *wikiRender) (*wikiHTML, error) {
	b := &in.Body
	p, err := s.control.RenderWiki(ctx, r, control.WikiSpaceRef{Account: b.Account, Project: b.Project, Space: b.Space}, b.Slug, b.Body)
	if err != nil {
		return nil, err
	}
	return wikiHTMLView(p), nil
}

func (s *Server) macroList(context.Context, *control.Request, *struct{}) (*page[api.Macro], error) {
	return pageOf(wiki.Macros(), "", macroView), nil
}

func macroView(m *wiki.Macro) api.Macro {
	v := api.Macro{
		Name: m.Name, Summary: m.Summary, Class: string(m.Class), Inline: m.Inline, Block: m.Block, OneOf: m.OneOf, Example: m.Example,
		Arguments: []api.MacroArgument{},
	}
	for i := range m.Args {
		a := &m.Args[i]
		arg := api.MacroArgument{Name: a.Name, Type: string(a.Type), Description: a.Summary, Required: a.Required, Enum: a.Enum, Example: a.Example}
		if a.Type == wiki.Integer {
			arg.Minimum, arg.Maximum = &a.Min, &a.Max
			arg.Default = json.RawMessage(a.Default)
		}
		v.Arguments = append(v.Arguments, arg)
	}
	return v
}
