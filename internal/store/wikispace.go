package store

import (
	"atoll/internal/cloud"
)

var wikiSpaces = table[cloud.WikiSpace]{
	kind: cloud.KindWikiSpace, name: "wiki_spaces",
	cols: append([]string{"id", "account_id", "project_id", "name", "title", "description", "readers"}, metaCols...),
	ptrs: func(v *cloud.WikiSpace) []any {
		return append([]any{&v.ID, &v.AccountID, &v.ProjectID, &v.Name, &v.Title, &v.Description, &v.Readers}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.WikiSpace) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "account": "account_id", "project": "project_id", "readers": "readers"},
	account: "account_id",
	project: "project_id",
	open:    "readers = 'everyone'",
}

// CreateWikiSpace writes a new space.
func (tx *Tx) CreateWikiSpace(v *cloud.WikiSpace) error { return wikiSpaces.insert(tx, v) }

// WikiSpace returns the space unless it is deleted.
func (tx *Tx) WikiSpace(id cloud.WikiSpaceID) (*cloud.WikiSpace, error) {
	return wikiSpaces.live(tx, id)
}

// UpdateWikiSpace writes the space back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateWikiSpace(v *cloud.WikiSpace) error { return wikiSpaces.update(tx, v) }

// WikiSpacesByID returns those of the spaces that are not deleted.
func (tx *Tx) WikiSpacesByID(ids []cloud.WikiSpaceID) (map[cloud.WikiSpaceID]cloud.WikiSpace, error) {
	out := map[cloud.WikiSpaceID]cloud.WikiSpace{}
	if len(ids) == 0 {
		return out, nil
	}
	_, args := orIn(nil, nil, "", ids)
	list, err := wikiSpaces.all(tx, "deleted_at = 0 AND "+in("id", len(ids)), args...)
	for _, s := range list {
		out[s.ID] = s
	}
	return out, err
}

// WikiSpaces returns a page of spaces and the cursor of the next one.
func (tx *Tx) WikiSpaces(q Query) ([]cloud.WikiSpace, string, error) { return wikiSpaces.list(tx, q) }

// WikiSpaceNamed returns the space by its name in its scope: a project, an account,
// or the installation.
func (tx *Tx) WikiSpaceNamed(account cloud.AccountID, project cloud.ProjectID, name string) (*cloud.WikiSpace, error) {
	return wikiSpaces.get(tx, name, "account_id = ? AND project_id = ? AND name = ? AND deleted_at = 0", account, project, name)
}

// LockWikiSpace makes other transactions that lock it wait for this one, so that no
// page is made in a space while it is deleted or changes its readers. NotFound if it
// is gone meanwhile.
func (tx *Tx) LockWikiSpace(id cloud.WikiSpaceID) error {
	n, err := tx.exec("UPDATE wiki_spaces SET version = version WHERE id = ? AND deleted_at = 0", id)
	if err == nil && n == 0 {
		err = notFound(cloud.KindWikiSpace, id)
	}
	return err
}

// CountWikiPages returns how many pages each of the spaces has.
func (tx *Tx) CountWikiPages(spaces []cloud.WikiSpaceID) (map[cloud.WikiSpaceID]int64, error) {
	counts := map[cloud.WikiSpaceID]int64{}
	if len(spaces) == 0 {
		return counts, nil
	}
	_, args := orIn(nil, nil, "", spaces)
	err := tx.query(func(scan func(...any) error) error {
		var id cloud.WikiSpaceID
		var n int64
		err := scan(&id, &n)
		counts[id] = n
		return err
	}, "SELECT space_id, count(*) FROM wiki_pages WHERE deleted_at = 0 AND "+in("space_id", len(spaces))+" GROUP BY space_id", args...)
	return counts, err
}
