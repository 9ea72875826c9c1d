package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// found are the kinds and names of a search, in its order.
func (w *world) found(r *Request, text string, limit int, kinds ...cloud.Kind) (string, bool) {
	w.t.Helper()
	list, more, err := w.Search(w.t.Context(), r, text, kinds, limit)
	w.ok(err)
	var out []string
	for _, f := range list {
		out = append(out, fmt.Sprint(f.Kind, " ", f.Name))
	}
	return strings.Join(out, ", "), more
}

func TestSearch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("web-inc")
		spaces := map[*cloud.Account]cloud.CloudspaceID{a: w.cloudspace(a, "prod").ID, b: w.cloudspace(b, "prod").ID}
		w.user("webmaster", "")
		w.service(a, "webhook")
		add := func(name string, of *cloud.Account, gone cloud.Time) {
			m := &cloud.Machine{ID: cloud.NewID[cloud.MachineID](), Name: name, AccountID: of.ID, CloudspaceID: spaces[of], State: cloud.MachineRunning, Address: name, MAC: name}
			m.DeletedAt = gone
			w.ok(w.DB.Update(ctx, func(tx *store.Tx) error { return tx.CreateMachine(m) }))
		}
		add("web-1", a, 0)
		add("web-2", b, 0)
		add("old-web", a, 0)
		add("web-gone", a, 1)
		ann := w.user("ann", "")
		w.member(ann, cloud.ScopeReader, a)
		reader := w.as(ann)
		stranger := w.as(w.user("eve", ""))
		for _, tt := range []struct {
			who   *Request
			text  string
			limit int
			kinds []cloud.Kind
			want  string
			more  bool
		}{
			{w.root, "web", 0, nil, "account web-inc, machine web-1, machine web-2, user webmaster, service-account webhook, machine old-web", false},
			{w.root, "WEB-1", 0, nil, "machine web-1", false},
			{w.root, "eb", 1, []cloud.Kind{cloud.KindMachine, cloud.KindAccount}, "account web-inc, machine old-web", true},
			{w.root, "%", 0, nil, "", false},
			{w.root, "_", 0, nil, "", false},
			{reader, "web", 0, nil, "machine web-1, service-account webhook, machine old-web", false},
			{stranger, "web", 0, nil, "", false},
			{stranger, "her", 0, nil, "location here", false},
		} {
			if got, more := w.found(tt.who, tt.text, tt.limit, tt.kinds...); got != tt.want || more != tt.more {
				t.Errorf("%s finds by %q: %q, %t; want %q, %t", tt.who.User.Name, tt.text, got, more, tt.want, tt.more)
			}
		}
		list, _, err := w.Search(ctx, reader, "web-1", nil, 0)
		w.ok(err)
		if len(list) != 1 || list[0].Account != "acme" || list[0].Parent != "prod" || list[0].State != "running" {
			t.Errorf("found %+v", list)
		}
		byID, _, err := w.Search(ctx, reader, list[0].ID, nil, 0)
		w.ok(err)
		if len(byID) != 1 || byID[0] != list[0] {
			t.Errorf("by id: %+v, want %+v", byID, list)
		}
		if none, _, err := w.Search(ctx, stranger, list[0].ID, nil, 0); err != nil || len(none) != 0 {
			t.Errorf("a stranger finds by id: %+v, %v", none, err)
		}
		for _, bad := range []string{"", "  ", strings.Repeat("x", 200)} {
			_, _, err := w.Search(ctx, w.root, bad, nil, 0)
			w.fails("search for "+bad, err, cloud.Invalid)
		}
		_, _, err = w.Search(ctx, w.root, "x", []cloud.Kind{"token"}, 0)
		w.fails("search for tokens", err, cloud.Invalid)
	})
}

// Pages are found by their paths and titles, with their spaces.
func TestSearchOfPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("acme")
		text := func(s string) *string { return &s }
		space, err := w.CreateWikiSpace(ctx, w.root, "acme", "", WikiSpaceChange{Name: text("runbooks"), Title: text("What to do")})
		w.ok(err)
		for slug, title := range map[string]string{"nodes/drain": "Empty a node", "nodes/add": "Drain the swamp", "index": "Words"} {
			_, err := w.CreateWikiPage(ctx, w.root, WikiSpaceRef{Space: string(space.ID)}, WikiPageChange{Slug: text(slug), Title: text(title)})
			w.ok(err)
		}
		ann := w.user("ann", "")
		w.member(ann, cloud.ScopeReader, a)
		reader := w.as(ann)
		for _, tt := range []struct {
			who  *Request
			text string
			want string
		}{
			{reader, "drain", "page nodes/add, page nodes/drain"},
			{reader, "Nodes", "page nodes/add, page nodes/drain"},
			{reader, "wo", "page index"},
			{reader, "to do", "space runbooks"},
			{reader, "run", "space runbooks"},
			{w.as(w.user("eve", "")), "drain", ""},
		} {
			if got, _ := w.found(tt.who, tt.text, 0); got != tt.want {
				t.Errorf("%s finds by %q: %q, want %q", tt.who.User.Name, tt.text, got, tt.want)
			}
		}
		list, _, err := w.Search(ctx, reader, "nodes/drain", nil, 0)
		w.ok(err)
		if len(list) != 1 || list[0].Title != "Empty a node" || list[0].ParentID != string(space.ID) || list[0].Parent != "runbooks" || list[0].Account != "acme" {
			t.Errorf("found %+v", list)
		}
	})
}

// TestSearchKnowsAllKinds: a new kind is looked in, or there is a reason why not.
func TestSearchKnowsAllKinds(t *testing.T) {
	t.Parallel()
	not := []cloud.Kind{
		cloud.KindInstallation, cloud.KindSettings, cloud.KindQuota, // there is one, or one of each account
		cloud.KindEvent,                    // too many
		cloud.KindToken, cloud.KindSession, // nobody's but the owner's
	}
	known := store.SearchKinds()
	for k := range authz.Kinds(authz.Roles{Installation: cloud.InstallationAdmin}) {
		if slices.Contains(known, k) == slices.Contains(not, k) {
			t.Errorf("a search looks in %s: %t", k, slices.Contains(known, k))
		}
	}
}
