package store

import (
	"strings"

	"atoll/internal/cloud"
)

var wikiPages = table[cloud.WikiPage]{
	kind: cloud.KindWikiPage, name: "wiki_pages",
	cols: append([]string{"id", "account_id", "project_id", "space_id", "slug", "title", "revision", "size", "author_id", "author_name"}, metaCols...),
	ptrs: func(v *cloud.WikiPage) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.ProjectID, &v.SpaceID, &v.Slug, &v.Title, &v.Revision, &v.Size, &v.AuthorID, &v.AuthorName,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.WikiPage) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"slug": "slug", "title": "title", "updated_at": "updated_at"},
	filters: map[string]string{"slug": "slug", "title": "title", "account": "account_id", "project": "project_id", "space": "space_id"},
	account: "account_id",
	project: "project_id",
	open:    "space_id IN (SELECT id FROM wiki_spaces WHERE readers = 'everyone' AND deleted_at = 0)",
}

// CreateWikiPage writes a new page with its first revision.
func (tx *Tx) CreateWikiPage(v *cloud.WikiPage, r *cloud.WikiRevision) error {
	if err := wikiPages.insert(tx, v); err != nil {
		return err
	}
	return tx.addWikiRevision(v, r)
}

// WikiPage returns the page unless it is deleted.
func (tx *Tx) WikiPage(id cloud.WikiPageID) (*cloud.WikiPage, error) { return wikiPages.live(tx, id) }

// UpdateWikiPage writes the page back; Conflict if it was changed since it was read.
// Its newest revision is found by the page's slug from then on.
func (tx *Tx) UpdateWikiPage(v *cloud.WikiPage) error {
	if err := wikiPages.update(tx, v); err != nil {
		return err
	}
	r, err := tx.CurrentWikiRevision(v.ID)
	if err != nil {
		return err
	}
	return tx.indexWikiPage(v, r)
}

// SaveWikiPage writes the page back with a new newest revision, and removes the
// oldest beyond keep; Conflict if the page was changed since it was read.
func (tx *Tx) SaveWikiPage(v *cloud.WikiPage, r *cloud.WikiRevision, keep int64) error {
	if err := wikiPages.update(tx, v); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE wiki_revisions SET current = false, search = '' WHERE page_id = ? AND current", v.ID); err != nil {
		return err
	}
	if _, err := tx.exec("DELETE FROM wiki_revisions WHERE page_id = ? AND number <= ?", v.ID, r.Number-keep); err != nil {
		return err
	}
	return tx.addWikiRevision(v, r)
}

// WikiPages returns a page of pages and the cursor of the next one.
func (tx *Tx) WikiPages(q Query) ([]cloud.WikiPage, string, error) { return wikiPages.list(tx, q) }

// SearchWikiPages returns a page of those pages whose slug, title or text has all
// of the words.
func (tx *Tx) SearchWikiPages(words []string, q Query) ([]cloud.WikiPage, string, error) {
	for _, w := range words {
		q = q.and("id IN (SELECT page_id FROM wiki_revisions WHERE current AND "+tx.d.position+"(search, ?) > 0)", strings.ToLower(w))
	}
	return wikiPages.list(tx, q)
}

// WikiPagesBelow returns the first pages of the space whose slug begins with the
// prefix, by slug.
func (tx *Tx) WikiPagesBelow(space cloud.WikiSpaceID, prefix string, limit int) ([]cloud.WikiPage, error) {
	return wikiPages.all(tx, "space_id = ? AND substr(slug, 1, ?) = ? AND deleted_at = 0 ORDER BY slug, id LIMIT ?", space, len(prefix), prefix, limit)
}

// WikiPageAt returns the page by its slug in the space.
func (tx *Tx) WikiPageAt(space cloud.WikiSpaceID, slug string) (*cloud.WikiPage, error) {
	return wikiPages.get(tx, slug, "space_id = ? AND slug = ? AND deleted_at = 0", space, slug)
}

// WikiPagesAt returns those of the slugs that are pages of the space.
func (tx *Tx) WikiPagesAt(space cloud.WikiSpaceID, slugs []string) ([]cloud.WikiPage, error) {
	if len(slugs) == 0 {
		return nil, nil
	}
	args := []any{space}
	for _, s := range slugs {
		args = append(args, s)
	}
	return wikiPages.all(tx, "space_id = ? AND deleted_at = 0 AND "+in("slug", len(slugs)), args...)
}

// DeleteWikiPagesIn deletes the pages of the space.
func (tx *Tx) DeleteWikiPagesIn(space cloud.WikiSpaceID) error {
	return wikiPages.deleteAll(tx, "space_id = ?", space)
}

// ForgetWikiPages removes pages that were deleted before the time, with all of
// their revisions.
func (tx *Tx) ForgetWikiPages(before cloud.Time, limit int) (int, error) {
	const gone = "SELECT id FROM wiki_pages WHERE deleted_at > 0 AND deleted_at < ? ORDER BY deleted_at, id LIMIT ?"
	if _, err := tx.forget("wiki_revisions", "page_id", gone, before, limit); err != nil {
		return 0, err
	}
	return tx.forget("wiki_pages", "id", gone, before, limit)
}
