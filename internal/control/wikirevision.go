package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// WikiRevisions returns a page of the page's revisions, without their texts.
func (c *Control) WikiRevisions(ctx context.Context, r *Request, ref WikiPageRef, q store.Query) (list []cloud.WikiRevision, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		p, _, err := r.findWikiPage(tx, ref)
		if err != nil {
			return err
		}
		list, next, err = tx.WikiRevisions(p.ID, q)
		return err
	})
	return list, next, err
}

// WikiRevision returns one revision of the page with its text. NotFound if it is
// kept no longer.
func (c *Control) WikiRevision(ctx context.Context, r *Request, ref WikiPageRef, number int64) (*cloud.WikiRevision, error) {
	var rev *cloud.WikiRevision
	err := c.view(ctx, func(tx *store.Tx) error {
		p, _, err := r.findWikiPage(tx, ref)
		if err != nil {
			return err
		}
		rev, err = revisionOf(tx, p, number)
		return err
	})
	return rev, err
}

func revisionOf(tx *store.Tx, p *cloud.WikiPage, number int64) (*cloud.WikiRevision, error) {
	rev, err := tx.WikiRevision(p.ID, number)
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "page %s has no revision %d, or has it no longer; the newest is %d", p.Slug, number, p.Revision)
	}
	return rev, err
}

// WikiDiff is what differs between two revisions of a page.
type WikiDiff struct {
	From, To       int64
	Added, Removed int // lines
	Unified        string
}

// WikiDiff compares two revisions of a page; 0 is an empty page.
func (c *Control) WikiDiff(ctx context.Context, r *Request, ref WikiPageRef, from, to int64) (*WikiDiff, error) {
	var texts [2]string
	err := c.view(ctx, func(tx *store.Tx) error {
		p, _, err := r.findWikiPage(tx, ref)
		if err != nil {
			return err
		}
		for i, n := range []int64{from, to} {
			if n == 0 {
				continue
			}
			rev, err := revisionOf(tx, p, n)
			if err != nil {
				return err
			}
			texts[i] = rev.Body
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := &WikiDiff{From: from, To: to, Unified: udiff.Unified(fmt.Sprint("revision ", from), fmt.Sprint("revision ", to), texts[0], texts[1])}
	n := 0
	for line := range strings.Lines(d.Unified) {
		switch n++; {
		case n <= 2: // the names
		case line[0] == '+':
			d.Added++
		case line[0] == '-':
			d.Removed++
		}
	}
	return d, nil
}

// RestoreWikiRevision makes a new revision with the title and text of an old one.
func (c *Control) RestoreWikiRevision(ctx context.Context, r *Request, ref WikiPageRef, number int64) (*WikiPage, error) {
	var out *WikiPage
	err := c.change(ctx, r, "page.restore", func(ch *change) error {
		p, s, err := ch.wikiPageFor(authz.Update, ref)
		if err != nil {
			return err
		}
		rev, err := revisionOf(ch.Tx, p, number)
		if err != nil {
			return err
		}
		now, err := ch.CurrentWikiRevision(p.ID)
		if err != nil {
			return err
		}
		in := WikiPageChange{Title: &rev.Title, Body: &rev.Body, Comment: fmt.Sprintf("Restored revision %d", number)}
		out, err = ch.saveWikiPage("page.restore", p, s, now, in, number)
		return err
	})
	return out, err
}
