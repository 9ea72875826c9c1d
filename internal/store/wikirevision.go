package store

import (
	"slices"
	"strings"

	"atoll/internal/cloud"
)

// wikiRevisions is without the body, of which a list has no use.
var wikiRevisions = table[cloud.WikiRevision]{
	kind: "revision", name: "wiki_revisions",
	cols: []string{"id", "page_id", "number", "current", "title", "comment", "restored_from", "author_id", "author_name", "size", "created_at"},
	ptrs: func(v *cloud.WikiRevision) []any {
		return []any{
			&v.ID, &v.PageID, &v.Number, &v.Current, &v.Title, &v.Comment, &v.RestoredFrom, &v.AuthorID, &v.AuthorName, &v.Size, &v.CreatedAt,
		}
	},
	sorts: map[string]string{"number": "number"},
}

// wikiTexts is wikiRevisions with the body.
var wikiTexts = table[cloud.WikiRevision]{
	kind: wikiRevisions.kind, name: wikiRevisions.name,
	cols: append(slices.Clip(wikiRevisions.cols), "body"),
	ptrs: func(v *cloud.WikiRevision) []any { return append(wikiRevisions.ptrs(v), &v.Body) },
}

func (tx *Tx) addWikiRevision(p *cloud.WikiPage, r *cloud.WikiRevision) error {
	r.CreatedAt = p.UpdatedAt
	if err := wikiTexts.insert(tx, r); err != nil {
		return err
	}
	return tx.indexWikiPage(p, r)
}

// indexWikiPage keeps what a search of the page looks through, with its newest
// revision.
func (tx *Tx) indexWikiPage(p *cloud.WikiPage, r *cloud.WikiRevision) error {
	text := strings.ToLower(p.Slug + "\n" + p.Title + "\n" + r.Body)
	_, err := tx.exec("UPDATE wiki_revisions SET search = ? WHERE id = ?", text, r.ID)
	return err
}

// WikiRevisions returns a page of the revisions of a page, without their texts.
func (tx *Tx) WikiRevisions(id cloud.WikiPageID, q Query) ([]cloud.WikiRevision, string, error) {
	return wikiRevisions.list(tx, q.and("page_id = ?", id))
}

// WikiRevision returns the revision of the page with its text.
func (tx *Tx) WikiRevision(id cloud.WikiPageID, number int64) (*cloud.WikiRevision, error) {
	return wikiTexts.get(tx, number, "page_id = ? AND number = ?", id, number)
}

// CurrentWikiRevision returns the newest revision of the page with its text.
func (tx *Tx) CurrentWikiRevision(id cloud.WikiPageID) (*cloud.WikiRevision, error) {
	return wikiTexts.get(tx, id, "page_id = ? AND current", id)
}

// CurrentWikiRevisions returns the newest revisions of the pages with their texts.
func (tx *Tx) CurrentWikiRevisions(ids []cloud.WikiPageID) ([]cloud.WikiRevision, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	_, args := orIn(nil, nil, "", ids)
	return wikiTexts.all(tx, "current AND "+in("page_id", len(ids)), args...)
}
