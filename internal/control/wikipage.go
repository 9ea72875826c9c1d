package control

import (
	"cmp"
	"context"
	"path"
	"strings"
	"unicode/utf8"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wiki"
)

// WikiPage is a page as its reader sees it.
type WikiPage struct {
	cloud.WikiPage
	Space    string // its name
	Body     string // "" in lists
	Excerpt  string // around the first hit of a search
	MayWrite bool
}

// WikiPageRef names a page: by id, or by slug in a space.
type WikiPageRef struct {
	Page  string
	Space WikiSpaceRef
}

func wikiPageSubject(p *cloud.WikiPage) subject {
	return subject{kind: cloud.KindWikiPage, id: string(p.ID), name: p.Slug, account: p.AccountID, project: p.ProjectID}
}

func (r *Request) wikiPageView(p *cloud.WikiPage, s *cloud.WikiSpace, body string) *WikiPage {
	return &WikiPage{WikiPage: *p, Space: s.Name, Body: body, MayWrite: r.may(authz.Update, wikiTarget(cloud.KindWikiPage, s, p.Slug))}
}

// findWikiPage returns the page and its space if the caller may read it.
func (r *Request) findWikiPage(tx *store.Tx, ref WikiPageRef) (*cloud.WikiPage, *cloud.WikiSpace, error) {
	if !cloud.IsID(ref.Page) {
		s, err := r.findWikiSpace(tx, ref.Space)
		if err != nil {
			return nil, nil, err
		}
		p, err := tx.WikiPageAt(s.ID, ref.Page)
		return p, s, err
	}
	p, err := tx.WikiPage(cloud.WikiPageID(ref.Page))
	if err != nil {
		return nil, nil, err
	}
	s, err := tx.WikiSpace(p.SpaceID)
	if err != nil {
		return nil, nil, err
	}
	return p, s, r.permitWiki(authz.Read, cloud.KindWikiPage, s, ref.Page, p.Slug)
}

// WikiPage returns the page with its text if the caller may read it.
func (c *Control) WikiPage(ctx context.Context, r *Request, ref WikiPageRef) (*WikiPage, error) {
	var out *WikiPage
	err := c.view(ctx, func(tx *store.Tx) error {
		p, s, err := r.findWikiPage(tx, ref)
		if err != nil {
			return err
		}
		rev, err := tx.CurrentWikiRevision(p.ID)
		if err != nil {
			return err
		}
		out = r.wikiPageView(p, s, rev.Body)
		return nil
	})
	return out, err
}

// WikiPages returns a page of the pages that the caller may read; with a search
// those that have all of its words, each with an excerpt.
func (c *Control) WikiPages(ctx context.Context, r *Request, search string, q store.Query) (out []WikiPage, next string, err error) {
	words := strings.Fields(search)
	if len(words) > maxSearchWords {
		return nil, "", cloud.FieldErrorf("q", "has %d words; at most %d are searched for", len(words), maxSearchWords)
	}
	if !utf8.ValidString(search) || strings.ContainsRune(search, 0) {
		return nil, "", cloud.FieldErrorf("q", "is no text")
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		var list []cloud.WikiPage
		if list, next, err = tx.SearchWikiPages(words, r.query(cloud.KindWikiPage, q)); err != nil {
			return err
		}
		out, err = r.wikiPageViews(tx, list, words)
		return err
	})
	return out, next, err
}

func (r *Request) wikiPageViews(tx *store.Tx, list []cloud.WikiPage, words []string) ([]WikiPage, error) {
	var pages []cloud.WikiPageID
	var spaces []cloud.WikiSpaceID
	for i := range list {
		spaces, pages = append(spaces, list[i].SpaceID), append(pages, list[i].ID)
	}
	in, err := tx.WikiSpacesByID(spaces)
	if err != nil {
		return nil, err
	}
	excerpts := map[cloud.WikiPageID]string{}
	if len(words) > 0 {
		revs, err := tx.CurrentWikiRevisions(pages)
		if err != nil {
			return nil, err
		}
		for i := range revs {
			excerpts[revs[i].PageID] = excerpt(revs[i].Body, words)
		}
	}
	var out []WikiPage
	for i := range list {
		s := in[list[i].SpaceID]
		v := r.wikiPageView(&list[i], &s, "")
		v.Excerpt = excerpts[v.ID]
		out = append(out, *v)
	}
	return out, nil
}

// excerptLength is how much text a hit shows, in bytes.
const excerptLength = 160

// excerpt is the text around the first of the words, on one line.
func excerpt(body string, words []string) string {
	at := len(body)
	low := strings.ToLower(body)
	for _, w := range words {
		if i := strings.Index(low, strings.ToLower(w)); i >= 0 {
			at = min(at, i)
		}
	}
	if at == len(body) { // it is in the title
		at = 0
	}
	from := max(0, at-excerptLength/3)
	to := min(len(body), from+excerptLength)
	return strings.Join(strings.Fields(strings.ToValidUTF8(body[from:to], "")), " ")
}

// WikiPageChange is what people set of a page; nil keeps, or takes the default.
type WikiPageChange struct {
	Slug, Title, Body *string
	Comment           string
}

// CreateWikiPage makes a page with its first revision.
func (c *Control) CreateWikiPage(ctx context.Context, r *Request, space WikiSpaceRef, in WikiPageChange) (*WikiPage, error) {
	var out *WikiPage
	err := c.change(ctx, r, "page.create", func(ch *change) error {
		s, err := r.findWikiSpace(ch.Tx, space)
		if err != nil {
			return err
		}
		p := &cloud.WikiPage{
			ID: cloud.NewID[cloud.WikiPageID](), AccountID: s.AccountID, ProjectID: s.ProjectID, SpaceID: s.ID, Revision: 1,
			AuthorID: r.User.ID, AuthorName: r.User.Name,
		}
		set(&p.Slug, in.Slug)
		if err := ch.writeIn(authz.Create, s, p); err != nil {
			return err
		}
		rev := ch.newRevision(p, in.Comment)
		set(&rev.Body, in.Body)
		if err := rev.Validate(); err != nil {
			return err
		}
		set(&p.Title, in.Title)
		p.Title = cmp.Or(p.Title, firstLine(wiki.Title(rev.Body)), path.Base(p.Slug))
		if err := p.Validate(); err != nil {
			return err
		}
		p.Size, rev.Size, rev.Title = int64(len(rev.Body)), int64(len(rev.Body)), p.Title
		if err := ch.Tx.CreateWikiPage(p, rev); err != nil {
			return err
		}
		out = r.wikiPageView(p, s, rev.Body)
		return ch.event("page.create", wikiPageSubject(p), nil, p)
	})
	return out, err
}

// firstLine makes a title of a heading, which may be longer than one.
func firstLine(heading string) string {
	const limit = 200
	heading = strings.Join(strings.Fields(heading), " ")
	if len(heading) > limit {
		heading = strings.ToValidUTF8(heading[:limit], "")
	}
	return heading
}

// writeIn authorises a change of a page, and keeps its space from being deleted
// meanwhile.
func (ch *change) writeIn(a authz.Action, s *cloud.WikiSpace, p *cloud.WikiPage) error {
	if err := ch.r.permitWiki(a, cloud.KindWikiPage, s, p.Slug, p.Slug); err != nil {
		return err
	}
	if err := ch.activeWiki(s); err != nil {
		return err
	}
	return ch.LockWikiSpace(s.ID)
}

func (ch *change) newRevision(p *cloud.WikiPage, comment string) *cloud.WikiRevision {
	return &cloud.WikiRevision{
		ID: cloud.NewID[cloud.RevisionID](), PageID: p.ID, Number: p.Revision, Current: true,
		Comment: comment, AuthorID: ch.r.User.ID, AuthorName: ch.r.User.Name,
	}
}

// wikiPageFor finds the page for a change.
func (ch *change) wikiPageFor(a authz.Action, ref WikiPageRef) (*cloud.WikiPage, *cloud.WikiSpace, error) {
	p, s, err := ch.r.findWikiPage(ch.Tx, ref)
	if err != nil {
		return nil, nil, err
	}
	if err := ch.writeIn(a, s, p); err != nil {
		return nil, nil, err
	}
	if p, err = ch.Tx.WikiPage(p.ID); err != nil { // as it is now that nobody else can change it
		return nil, nil, err
	}
	return p, s, ch.match(cloud.KindWikiPage, p.Slug, p.Version)
}

// UpdateWikiPage changes the page. A change of title or text is a revision; one
// that changes nothing leaves the page as it is.
func (c *Control) UpdateWikiPage(ctx context.Context, r *Request, ref WikiPageRef, in WikiPageChange) (*WikiPage, error) {
	var out *WikiPage
	err := c.change(ctx, r, "page.update", func(ch *change) error {
		p, s, err := ch.wikiPageFor(authz.Update, ref)
		if err != nil {
			return err
		}
		old, err := ch.CurrentWikiRevision(p.ID)
		if err != nil {
			return err
		}
		out, err = ch.saveWikiPage("page.update", p, s, old, in, 0)
		return err
	})
	return out, err
}

// saveWikiPage writes the change of a page, whose newest revision is old.
func (ch *change) saveWikiPage(action string, p *cloud.WikiPage, s *cloud.WikiSpace, old *cloud.WikiRevision, in WikiPageChange, from int64) (*WikiPage, error) {
	before := *p
	set(&p.Slug, in.Slug)
	set(&p.Title, in.Title)
	body := old.Body
	set(&body, in.Body)
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var err error
	switch {
	case body != old.Body || p.Title != before.Title:
		p.Revision, p.Size, p.AuthorID, p.AuthorName = p.Revision+1, int64(len(body)), ch.r.User.ID, ch.r.User.Name
		rev := ch.newRevision(p, in.Comment)
		rev.Title, rev.Body, rev.Size, rev.RestoredFrom = p.Title, body, p.Size, from
		if err := rev.Validate(); err != nil {
			return nil, err
		}
		err = ch.SaveWikiPage(p, rev, ch.c.Retention.PageRevisions)
	case p.Slug != before.Slug:
		err = ch.Tx.UpdateWikiPage(p)
	default:
		return ch.r.wikiPageView(p, s, body), nil
	}
	if err != nil {
		return nil, err
	}
	return ch.r.wikiPageView(p, s, body), ch.event(action, wikiPageSubject(p), &before, p)
}

// DeleteWikiPage deletes the page with its revisions.
func (c *Control) DeleteWikiPage(ctx context.Context, r *Request, ref WikiPageRef) error {
	return c.change(ctx, r, "page.delete", func(ch *change) error {
		p, _, err := ch.wikiPageFor(authz.Delete, ref)
		if err != nil {
			return err
		}
		if p.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.Tx.UpdateWikiPage(p); err != nil {
			return err
		}
		return ch.event("page.delete", wikiPageSubject(p), p, nil)
	})
}
