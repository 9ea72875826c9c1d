package control

import (
	"context"
	"slices"
	"strings"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// The bounds of a search.
const (
	maxSearchText  = 128
	SearchLimit    = 8 // of each kind, unless the caller says how many
	MaxSearchLimit = 50
)

// Search returns the objects that the caller may see with the text as id, or in
// their names or titles: those by id, then those where one begins with it, then the
// others; up to limit (0 is SearchLimit) of each kind, and whether there are more.
// kinds narrows it; empty is all.
func (c *Control) Search(ctx context.Context, r *Request, text string, kinds []cloud.Kind, limit int) (list []cloud.Found, more bool, err error) {
	if limit == 0 {
		limit = SearchLimit
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "" || len(text) > maxSearchText || strings.ContainsRune(text, 0):
		return nil, false, cloud.FieldErrorf("q", "must have 1 to %d characters", maxSearchText)
	case limit < 1 || limit > MaxSearchLimit:
		return nil, false, cloud.FieldErrorf("limit", "must be 1 to %d, not %d", MaxSearchLimit, limit)
	}
	all := store.SearchKinds()
	for _, k := range kinds {
		if !slices.Contains(all, k) {
			return nil, false, cloud.FieldErrorf("kind", "%.40q is none of %v", k, all)
		}
	}
	q := store.Search{Text: text, Limit: limit, Kinds: map[cloud.Kind]store.Visibility{}}
	for _, k := range all {
		if v, ok := r.searches(k); ok && (len(kinds) == 0 || slices.Contains(kinds, k)) {
			q.Kinds[k] = v
		}
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		list, more, err = tx.Search(q)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

// searches is what the caller may see of a kind, by the same rules as its list;
// false for nothing.
func (r *Request) searches(k cloud.Kind) (store.Visibility, bool) {
	v := r.sees(k)
	switch k {
	case cloud.KindLocation, cloud.KindSize, cloud.KindNode, cloud.KindLeftover, cloud.KindJoinToken: // in no account
		return store.Everything, r.mayList(k) == nil
	case cloud.KindUser:
		return store.Everything, r.allow(authz.Read, target{kind: k}) == nil
	case cloud.KindImage:
		v.Shared = true
	}
	return v, true
}
