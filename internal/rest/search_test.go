package rest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// finds is lists for a search: it looks among users only for those who may list all.
func (p *principal) finds(t *thing) bool {
	who := *p
	if t.kind == "users" {
		who.user = "nobody"
	}
	return who.lists(t)
}

// checkSearch searches for each name of each kind, and for the id of an object of
// each kind that p may find and of one that it may not.
func (e *estate) checkSearch(p *principal) {
	e.t.Helper()
	searched := store.SearchKinds()
	asked := map[string]bool{}
	for id, t := range e.things {
		kind := strings.TrimSuffix(t.kind, "s")
		known := slices.Contains(searched, cloud.Kind(kind))
		if name := kind + " " + t.name; known && t.name != "" && !asked[name] {
			asked[name] = true
			e.checkFound(p, t.name, kind, func(o *thing) bool { return o.kind == t.kind && strings.Contains(o.name, t.name) })
		}
		if one := fmt.Sprint(kind, known && p.finds(t)); !asked[one] {
			asked[one] = true
			e.checkFound(p, id, "", func(o *thing) bool { return known && o.id == id })
		}
	}
}

// checkFound wants a search to find what the model lets p find of what matches, and
// to name nothing else.
func (e *estate) checkFound(p *principal, text, kind string, matches func(*thing) bool) {
	e.t.Helper()
	query := url.Values{"q": {text}, "limit": {"50"}}
	if kind != "" {
		query["kind"] = []string{kind, string(cloud.KindAccount), string(cloud.KindCloudspace)}
	}
	var found api.SearchResult
	e.get(p.token, "/api/v1/search?"+query.Encode()).read(&found)
	got := map[string]bool{}
	for _, f := range found.Items {
		for _, id := range []string{f.ID, f.AccountID, f.ParentID} {
			named := id == f.ID || id == f.AccountID && f.Account != "" || id == f.ParentID && f.Parent != ""
			if t := e.things[id]; id != "" && named && (t == nil || !p.finds(t)) {
				e.t.Errorf("%+v finds by %q %+v, which names %+v", p, text, f, t)
			}
		}
		got[f.ID] = true
	}
	for id, t := range e.things {
		if matches(t) && p.finds(t) && !got[id] {
			e.t.Errorf("%+v does not find by %q %+v", p, text, t)
		}
	}
}
