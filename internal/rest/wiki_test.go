package rest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

// wikiWorld is spaces of each scope, with a page each, and people who may read some.
type wikiWorld struct {
	*world
	spaces map[string]*control.WikiSpace // by name
	pages  map[string]*control.WikiPage
	people map[string]string // tokens
}

func newWikiWorld(t *testing.T) *wikiWorld {
	t.Helper()
	w := &wikiWorld{newWorld(t), map[string]*control.WikiSpace{}, map[string]*control.WikiPage{}, map[string]string{}}
	ctx := t.Context()
	other := &cloud.Account{Name: "other"}
	w.ok(w.control.CreateAccount(ctx, w.root, other, nil))
	p := w.project(w.account.ID, "shop")
	for _, at := range []control.WikiSpaceRef{
		{Space: "staff"}, {Space: "open"}, {Account: "default", Space: "ours"}, {Account: "other", Space: "theirs"}, {Account: "default", Project: "shop", Space: "product"},
	} {
		w.spaces[at.Space], w.pages[at.Space] = w.world.pages(at)
	}
	everyone := cloud.ReadersEveryone
	_, err := w.control.UpdateWikiSpace(ctx, w.root, control.WikiSpaceRef{Space: "open"}, control.WikiSpaceChange{Readers: &everyone})
	w.ok(err)
	w.people = map[string]string{
		"stranger": w.user("stranger", "", ""), "reader": w.user("reader", "", cloud.ScopeReader), "writer": w.user("writer", "", cloud.ScopeWriter),
		"member": w.user("member", "", cloud.ScopeAdmin), "support": w.user("support", cloud.InstallationSupport, ""), "operator": w.user("operator", cloud.InstallationOperator, ""),
		"tester": w.user("tester", "", ""),
	}
	_, err = w.control.CreateMembership(ctx, w.root, control.NewMembership{User: "tester", Role: cloud.ScopeWriter, Project: p.ID})
	w.ok(err)
	return w
}

// Who sees what, by each way to it: the space, its lists, the page, its HTML, its
// history, a search, a link and an include.
func TestWikiVisibility(t *testing.T) {
	w := newWikiWorld(t)
	sees := map[string]string{
		"stranger": "open", "reader": "open ours product", "writer": "open ours product", "member": "open ours product", "tester": "open product",
		"support": "open staff ours theirs product", "operator": "open staff ours theirs product",
	}
	for who, token := range w.people {
		for name, s := range w.spaces {
			p := w.pages[name]
			visible := strings.Contains(" "+sees[who]+" ", " "+name+" ")
			want := 404
			if visible {
				want = 200
			}
			for _, path := range []string{
				"spaces/" + string(s.ID), "pages/" + string(p.ID), "pages/index?space=" + string(s.ID), "pages/" + string(p.ID) + "/html",
				"pages/" + string(p.ID) + "/revisions", "pages/" + string(p.ID) + "/revisions/1", "pages/" + string(p.ID) + "/revisions/1/diff",
			} {
				if a := w.get(token, "/api/v1/"+path); a.StatusCode != want {
					t.Errorf("%s: GET %s of %s is %d, want %d: %s", who, path, name, a.StatusCode, want, a.text)
				}
			}
			for _, path := range []string{"spaces", "pages", "pages?q=peculiar", "pages?filter=space=" + string(s.ID)} {
				a := w.get(token, "/api/v1/"+path)
				if got := strings.Contains(a.text, string(s.ID)); a.StatusCode != 200 || got != visible {
					t.Errorf("%s: GET %s has %s: %v, want %v", who, path, name, got, visible)
				}
			}
		}
		// The rights on includes and links are the reader's, in whatever page they stand.
		a := w.do(token, "POST", "/api/v1/pages:render", api.WikiRender{Space: string(w.spaces["open"].ID), Body: "{{include page=staff:index}}\n\n[[staff:index]]"})
		if got, want := strings.Contains(a.text, "peculiar"), strings.Contains(sees[who], "staff"); got != want || strings.Contains(a.text, "page-missing") == want {
			t.Errorf("%s: an include shows it: %v, want %v: %s", who, got, want, a.text)
		}
	}
}

func TestWikiWriting(t *testing.T) {
	w := newWikiWorld(t)
	everyone := "everyone"
	for _, tt := range []struct {
		who, method, path string
		body              any
		want              int
	}{
		{"reader", "PATCH", "pages/{ours}", api.WikiPageUpdate{Title: &everyone}, 403},
		{"stranger", "PATCH", "pages/{open}", api.WikiPageUpdate{Title: &everyone}, 403},
		{"stranger", "DELETE", "pages/{open}", nil, 403},
		{"stranger", "PATCH", "pages/{ours}", api.WikiPageUpdate{Title: &everyone}, 404},
		{"writer", "PATCH", "pages/{ours}", api.WikiPageUpdate{Title: &everyone}, 200},
		{"tester", "PATCH", "pages/{product}", api.WikiPageUpdate{Title: &everyone}, 200},
		{"tester", "PATCH", "pages/{ours}", api.WikiPageUpdate{Title: &everyone}, 404},
		{"support", "PATCH", "pages/{staff}", api.WikiPageUpdate{Title: &everyone}, 403},
		{"operator", "PATCH", "pages/{staff}", api.WikiPageUpdate{Title: &everyone}, 200},
		{"writer", "POST", "spaces", api.WikiSpaceCreate{Account: "default", Name: "mine"}, 403},
		{"member", "POST", "spaces", api.WikiSpaceCreate{Account: "default", Name: "mine", Readers: "everyone"}, 403},
		{"member", "POST", "spaces", api.WikiSpaceCreate{Account: "default", Name: "mine"}, 201},
		{"member", "POST", "spaces", api.WikiSpaceCreate{Account: "default", Name: "mine"}, 409},
		{"member", "POST", "spaces", api.WikiSpaceCreate{Account: "other", Name: "mine"}, 404},
		{"member", "POST", "spaces", api.WikiSpaceCreate{Name: "mine"}, 403},
		{"member", "DELETE", "spaces/{ours}", nil, 409},
		{"member", "DELETE", "spaces/{ours}?force=true", nil, 204},
	} {
		path := tt.path
		for name, p := range w.pages {
			path = strings.ReplaceAll(path, "pages/{"+name+"}", "pages/"+string(p.ID))
			path = strings.ReplaceAll(path, "spaces/{"+name+"}", "spaces/"+string(w.spaces[name].ID))
		}
		if a := w.do(w.people[tt.who], tt.method, "/api/v1/"+path, tt.body); a.StatusCode != tt.want {
			t.Errorf("%s: %s %s is %d, want %d: %s", tt.who, tt.method, tt.path, a.StatusCode, tt.want, a.text)
		}
	}
	if a := w.get(w.admin, "/api/v1/pages?q=peculiar"); strings.Contains(a.text, `"ours"`) {
		t.Errorf("pages of a deleted space are found: %s", a.text)
	}
}

// A page's life: revisions, differences, what is changed at the same time, moving,
// restoring, deleting.
func TestWikiPage(t *testing.T) {
	w := newWikiWorld(t)
	at := "/api/v1/pages/" + string(w.pages["ours"].ID)
	save := func(version int64, body string) *answered {
		t.Helper()
		return w.do(w.people["writer"], "PATCH", at, api.WikiPageUpdate{Body: &body, Comment: "because"}, "If-Match", fmt.Sprintf("%q", fmt.Sprint(version)))
	}
	save(1, "one\ntwo\n").status(200)
	a := save(1, "mine\n")
	if !a.status(409) || !strings.Contains(a.text, `"version":2`) {
		t.Errorf("a stale save: %s", a.text)
	}
	save(2, "one\ntwo\n").status(200) // changes nothing
	save(2, "one\nthree\n").status(200)
	if a := w.get(w.people["reader"], at+"/revisions/3/diff"); !strings.Contains(a.text, `-two\n+three`) || !strings.Contains(a.text, `"added":1,"removed":1`) {
		t.Error(a.text)
	}
	if a := w.get(w.people["reader"], at+"/revisions"); strings.Count(a.text, `"number":`) != 3 || !strings.Contains(a.text, "because") {
		t.Error(a.text)
	}
	w.do(w.people["writer"], "POST", at+"/revisions/1/restore", nil).status(200)
	if a := w.get(w.people["reader"], at+"/revisions/4"); !strings.Contains(a.text, `"restored_from":1`) || !strings.Contains(a.text, "peculiar") {
		t.Error(a.text)
	}
	slug := "notes/new.place"
	w.do(w.people["writer"], "PATCH", at, api.WikiPageUpdate{Slug: &slug}).status(200)
	w.get(w.people["reader"], "/api/v1/pages/"+url.PathEscape(slug)+"?account=default&space=ours").status(200)
	w.get(w.people["reader"], "/api/v1/pages?q=NEW.place+peculiar").status(200)
	for _, bad := range []string{"a b", "/a", "a/", "A", "a//b", "..", "a/../b", "x/" + strings.Repeat("a", 80)} {
		if a := w.do(w.people["writer"], "PATCH", at, api.WikiPageUpdate{Slug: &bad}); a.StatusCode != 422 {
			t.Errorf("slug %q: %d", bad, a.StatusCode)
		}
	}
	long := strings.Repeat("a", cloud.MaxWikiBody+1)
	w.do(w.people["writer"], "PATCH", at, api.WikiPageUpdate{Body: &long}).status(413)
	w.do(w.people["writer"], "DELETE", at, nil).status(204)
	w.get(w.people["writer"], at).status(404)
}
