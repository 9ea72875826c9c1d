package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wiki"
)

// wikiBook is what the caller may read of the pages, for links and includes: always
// with the rights of who reads, never of who wrote.
type wikiBook struct {
	c *Control
	r *Request
}

// space finds the space of a ref: the one it is written in, or another one by name,
// in the project of that one, in its account, or in the installation.
func (b *wikiBook) space(tx *store.Tx, ref wiki.Ref) (*cloud.WikiSpace, error) {
	from, err := tx.WikiSpace(ref.From)
	if err != nil {
		return nil, err
	}
	tries := []func() (*cloud.WikiSpace, error){func() (*cloud.WikiSpace, error) { return from, nil }}
	if ref.Space != "" {
		named := func(a cloud.AccountID, p cloud.ProjectID) func() (*cloud.WikiSpace, error) {
			return func() (*cloud.WikiSpace, error) { return tx.WikiSpaceNamed(a, p, ref.Space) }
		}
		tries = []func() (*cloud.WikiSpace, error){named(from.AccountID, from.ProjectID), named(from.AccountID, ""), named("", "")}
	}
	for _, try := range tries {
		s, err := try()
		if err == nil {
			err = b.r.permitWiki(authz.Read, cloud.KindWikiPage, s, ref.String(), s.Name)
		}
		if err == nil || !cloud.Is(err, cloud.NotFound) {
			return s, err
		}
	}
	return nil, cloud.Errorf(cloud.NotFound, "there is no page %s", ref)
}

// Targets implements wiki.Book.
func (b *wikiBook) Targets(ctx context.Context, refs []wiki.Ref) (map[wiki.Ref]wiki.Target, error) {
	type in struct {
		from cloud.WikiSpaceID
		name string
	}
	bySpace := map[in][]wiki.Ref{}
	for _, r := range refs {
		k := in{r.From, r.Space}
		bySpace[k] = append(bySpace[k], r)
	}
	out := map[wiki.Ref]wiki.Target{}
	err := b.c.view(ctx, func(tx *store.Tx) error {
		for _, list := range bySpace {
			s, err := b.space(tx, list[0])
			if cloud.Is(err, cloud.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			var slugs []string
			for _, r := range list {
				slugs = append(slugs, r.Slug)
			}
			pages, err := tx.WikiPagesAt(s.ID, slugs)
			if err != nil {
				return err
			}
			for i := range pages {
				ref := list[0]
				ref.Slug = pages[i].Slug
				out[ref] = wikiTargetOf(s, &pages[i])
			}
		}
		return nil
	})
	return out, err
}

func wikiTargetOf(s *cloud.WikiSpace, p *cloud.WikiPage) wiki.Target {
	return wiki.Target{SpaceID: s.ID, Space: s.Name, Slug: p.Slug, Title: p.Title}
}

// Source implements wiki.Book.
func (b *wikiBook) Source(ctx context.Context, ref wiki.Ref) (*wiki.Source, error) {
	var out *wiki.Source
	err := b.c.view(ctx, func(tx *store.Tx) error {
		s, err := b.space(tx, ref)
		if err != nil {
			return err
		}
		p, err := tx.WikiPageAt(s.ID, ref.Slug)
		if err != nil {
			return err
		}
		rev, err := tx.CurrentWikiRevision(p.ID)
		if err != nil {
			return err
		}
		at, err := wikiPlace(tx, s, p.Slug)
		out = &wiki.Source{Target: wikiTargetOf(s, p), Place: at, Body: rev.Body}
		return err
	})
	return out, err
}

// Below implements wiki.Book.
func (b *wikiBook) Below(ctx context.Context, space cloud.WikiSpaceID, prefix string, limit int) (list []wiki.Target, err error) {
	err = b.c.view(ctx, func(tx *store.Tx) error {
		s, err := b.space(tx, wiki.Ref{From: space})
		if err != nil {
			return err
		}
		pages, err := tx.WikiPagesBelow(s.ID, prefix, limit)
		for i := range pages {
			list = append(list, wikiTargetOf(s, &pages[i]))
		}
		return err
	})
	return list, err
}

// wikiPlace is where a page of the space stands.
func wikiPlace(tx *store.Tx, s *cloud.WikiSpace, slug string) (wiki.Place, error) {
	at := wiki.Place{Space: s.ID, Slug: slug}
	if s.AccountID != "" {
		a, err := tx.Account(s.AccountID)
		if err != nil {
			return at, err
		}
		at.Account = a.Name
	}
	if s.ProjectID != "" {
		p, err := tx.Project(s.ProjectID)
		if err != nil {
			return at, err
		}
		at.Project = p.Name
	}
	return at, nil
}

// WikiHTML returns the page as the caller sees it; an old revision of it if number
// is not 0.
func (c *Control) WikiHTML(ctx context.Context, r *Request, ref WikiPageRef, number int64) (*wiki.Page, error) {
	var at wiki.Place
	var rev *cloud.WikiRevision
	err := c.view(ctx, func(tx *store.Tx) error {
		p, s, err := r.findWikiPage(tx, ref)
		if err != nil {
			return err
		}
		if number == 0 {
			number = p.Revision
		}
		if rev, err = revisionOf(tx, p, number); err != nil {
			return err
		}
		at, err = wikiPlace(tx, s, p.Slug)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.render(ctx, r, rev.Body, at)
}

// RenderWiki returns a text as if it were a page of the space with the slug; both
// may be left out.
func (c *Control) RenderWiki(ctx context.Context, r *Request, space WikiSpaceRef, slug, body string) (*wiki.Page, error) {
	var at wiki.Place
	if space.Space != "" {
		err := c.view(ctx, func(tx *store.Tx) error {
			s, err := r.findWikiSpace(tx, space)
			if err != nil {
				return err
			}
			at, err = wikiPlace(tx, s, slug)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if slug != "" {
		if err := cloud.ValidateSlug(slug); err != nil {
			return nil, err
		}
	}
	return c.render(ctx, r, body, at)
}

// maxRenders is how many pages are made at the same time: the worst texts take
// seconds, and must leave the other cores to others.
const maxRenders = 2

func (c *Control) render(ctx context.Context, r *Request, body string, at wiki.Place) (*wiki.Page, error) {
	select {
	case c.renders <- struct{}{}:
		defer func() { <-c.renders }()
	case <-ctx.Done():
		return nil, cloud.Wrap(cloud.Unavailable, ctx.Err(), "too many pages are shown at the moment; try again")
	}
	return wiki.Render(ctx, body, at, &wikiBook{c, r})
}
