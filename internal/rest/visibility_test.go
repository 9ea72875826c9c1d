package rest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

// thing is an object of the installation as the model of rights knows it.
type thing struct {
	kind                    string // the place in paths: machines, ssh-keys, …
	id, name                string
	account, space, machine string // where it lies; "" for none
	project                 string // the same
	user                    string // whose it is, of tokens, sessions and memberships
	service                 string // of a token: the account that its service account is in
	open                    bool   // of a space and its pages: everybody may read them
	seq                     int64  // of an event
}

// grant is a role that somebody has on an account, cloudspace or machine.
type grant struct{ account, space, machine, project, role string }

// principal is who asks.
type principal struct {
	name, user, role string
	grants           []grant
	limit            string // the account that the token is limited to
	token            string
}

// The kinds by how far down a role must be to see their objects.
var (
	ofAccount = []string{"accounts", "service-accounts", "ssh-keys", "images"}
	ofSpace   = []string{"cloudspaces"}
	ofMachine = []string{"machines", "disks", "port-forwards", "operations", "jobs", "memberships", "events"}
	ofProject = []string{"projects", "deployments", "actions", "bundles", "webhooks", "spaces", "pages"}
	ofAll     = []string{"locations", "sizes"}
	ofStaff   = []string{"nodes", "join-tokens", "leftovers", "schedules", "scripts"}
)

// sees is the model: what docs/security.md says of who sees what.
func (p *principal) sees(t *thing) bool {
	switch own := p.user == t.user; {
	case slices.Contains(ofAll, t.kind), t.kind == "images" && t.account == "", t.open:
		return true
	case t.kind == "service-accounts" && own:
		return true
	case t.kind == "users":
		return own || p.limit == "" && slices.Contains([]string{"admin", "operator", "support"}, p.role)
	case t.kind == "sessions":
		return p.limit == "" && (own || p.role == "admin")
	case t.kind == "tokens" && own:
		return p.limit == "" || p.limit == t.account || p.limit == t.service
	case t.kind == "tokens" && t.service != "":
		within := p.limit == "" || p.limit == t.service
		return within && (p.role == "admin" || slices.Contains(p.grants, grant{account: t.service, role: "admin"}))
	case t.kind == "tokens":
		return p.limit == "" && p.role == "admin"
	case p.limit != "" && p.limit != t.account:
		return false
	case t.kind == "webhooks": // those who may change it
		return slices.Contains([]string{"admin", "operator"}, p.role) || slices.ContainsFunc(p.grants, func(g grant) bool { return g.role == "admin" && g.reaches(t) })
	case t.kind == "memberships" && own && t.account != "":
		return true
	case slices.Contains([]string{"admin", "operator", "support"}, p.role):
		return true
	case p.role == "billing" && slices.Contains([]string{"accounts", "quota", "events"}, t.kind):
		return true
	}
	return slices.ContainsFunc(p.grants, func(g grant) bool { return g.reaches(t) })
}

func (g grant) reaches(t *thing) bool {
	switch {
	case g.account != t.account || t.account == "" || slices.Contains(ofStaff, t.kind):
		return false
	case g.project != "":
		return g.project == t.project && (t.kind == "quota" || slices.Contains(ofProject, t.kind) || slices.Contains(ofMachine, t.kind))
	case g.space == "":
		return true
	case t.kind == "webhooks":
		return false
	case g.machine == "":
		return g.space == t.space && !slices.Contains(ofAccount, t.kind)
	}
	return g.machine == t.machine && slices.Contains(ofMachine, t.kind)
}

// estate is everything that there is.
type estate struct {
	*world
	things   map[string]*thing // by id
	spaces   []*cloud.Cloudspace
	projects []*cloud.Project
	people   []*principal
}

// listed reads a list of the API to its end, page by page, and checks the pages.
func (e *estate) listed(p *principal, path string, limit int) []map[string]any {
	e.t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	var all []map[string]any
	for cursor, pages := "", 0; ; pages++ {
		var page api.Page[map[string]any]
		a := e.get(p.token, fmt.Sprintf("/api/v1/%s%slimit=%d&cursor=%s", path, sep, limit, cursor))
		if a.StatusCode == 403 { // who sees no object of a kind at all is told so
			return nil
		}
		if !a.status(200) {
			return nil
		}
		a.read(&page)
		all = append(all, page.Items...)
		if len(page.Items) < limit && page.Next != "" || len(page.Items) == 0 && pages > 0 {
			e.t.Errorf("%s: page %d of %s has %d items and next %q: it tells of what is hidden", p.name, pages, path, len(page.Items), page.Next)
		}
		if page.Next == "" {
			return all
		}
		text, err := base64.RawURLEncoding.DecodeString(page.Next)
		e.ok(err)
		if last := fmt.Sprint(page.Items[len(page.Items)-1]["id"]); !bytes.Contains(text, []byte(last)) {
			e.t.Errorf("%s: the cursor %s of %s is not of the last item", p.name, text, path)
		}
		cursor = page.Next
	}
}

func field(item map[string]any, name string) string {
	s, _ := item[name].(string)
	return s
}

// kinds are all kinds with a list.
var kinds = slices.Concat(ofAccount, ofSpace, ofMachine, ofProject, ofAll, ofStaff, []string{"users", "tokens", "sessions"})

// survey reads everything as the admin.
func (e *estate) survey() {
	e.t.Helper()
	root := &principal{name: "root", role: "admin", token: e.admin}
	add := func(kind string, items []map[string]any) {
		for _, item := range items {
			t := &thing{
				kind: kind, id: field(item, "id"), name: cmp.Or(field(item, "name"), field(item, "slug")), account: field(item, "account_id"), space: field(item, "cloudspace_id"),
				machine: field(item, "machine_id"), project: field(item, "project_id"), user: field(item, "user_id"),
			}
			switch kind {
			case "accounts":
				t.account = t.id
			case "cloudspaces":
				t.space = t.id
			case "projects":
				t.project = t.id
			case "machines":
				t.machine = t.id
			case "users", "service-accounts":
				t.user = t.id
			case "spaces":
				t.open = field(item, "readers") == string(cloud.ReadersEveryone)
			case "pages":
				t.open = e.things[field(item, "space_id")].open
			case "operations", "jobs", "events":
				if field(item, "subject_kind") == string(cloud.KindMachine) {
					t.machine = field(item, "subject_id")
				}
			}
			if seq, ok := item["seq"].(float64); ok {
				t.seq = int64(seq)
			}
			e.things[t.id] = t
		}
	}
	for _, kind := range kinds {
		if kind != "tokens" && kind != "sessions" {
			add(kind, e.listed(root, kind, 1000))
		}
	}
	for _, owner := range slices.Collect(maps.Values(e.things)) {
		if owner.kind != "users" && owner.kind != "service-accounts" {
			continue
		}
		tokens := e.listed(root, "tokens?user="+owner.id, 1000)
		add("tokens", tokens)
		for _, item := range tokens {
			if owner.kind == "service-accounts" {
				e.things[field(item, "id")].service = owner.account
			}
		}
		add("sessions", e.listed(root, "sessions?user="+owner.id, 1000))
	}
}

// build makes accounts with cloudspaces, machines and all that goes with them.
func (e *estate) build(accounts int) {
	e.t.Helper()
	ctx, c, root := e.t.Context(), e.control, e.root
	e.leftover(e.node("node-1"))
	e.image("disk")
	for _, err := range []error{
		c.CreateLocation(ctx, root, &cloud.Location{Name: "ghent"}),
		c.CreateSchedule(ctx, root, &cloud.Schedule{Name: "nightly", Command: []string{"true"}, All: true, Every: "1h"}),
		c.CreateJobs(ctx, root, []*cloud.Job{{Action: cloud.ActionNoop, TargetRole: cloud.RoleStorage}}),
	} {
		e.ok(err)
	}
	_, err := c.CreateScript(ctx, root, "", "uptime", []byte("#!/bin/sh\nuptime\n"))
	e.ok(err)
	e.pages(control.WikiSpaceRef{Space: "staff"})
	for i := range accounts {
		a := &cloud.Account{Name: fmt.Sprintf("account-%d", i)}
		e.ok(c.CreateAccount(ctx, root, a, nil))
		for _, name := range []string{"ours", "open"} {
			e.pages(control.WikiSpaceRef{Account: a.Name, Space: name})
		}
		everyone := cloud.ReadersEveryone
		_, err := c.UpdateWikiSpace(ctx, root, control.WikiSpaceRef{Account: a.Name, Space: "open"}, control.WikiSpaceChange{Readers: &everyone})
		e.ok(err)
		e.ok(c.CreateSSHKey(ctx, root, &cloud.SSHKey{AccountID: a.ID, Name: "key", PublicKey: testKey}))
		_, err = c.CreateImageFromUpload(ctx, root, control.NewImage{Account: a.ID, Name: "own"}, bytes.NewReader(rawDisk()))
		e.ok(err)
		e.webhook(control.NewWebhook{Account: string(a.ID), Name: "all"})
		for j := range 2 {
			e.projects = append(e.projects, e.project(a.ID, fmt.Sprintf("project-%d", j)))
			e.webhook(control.NewWebhook{Project: string(e.projects[len(e.projects)-1].ID), Name: fmt.Sprintf("hook-%d", j)})
			e.pages(control.WikiSpaceRef{Account: a.Name, Project: string(e.projects[len(e.projects)-1].ID), Space: "product"})
			s, err := c.CreateCloudspace(ctx, root, control.NewCloudspace{Account: string(a.ID), Name: fmt.Sprintf("space-%d", j), Location: "home"})
			e.ok(err)
			e.spaces = append(e.spaces, s)
			for k := range 2 {
				m, _, err := c.CreateMachine(ctx, root, control.NewMachine{
					Cloudspace: string(s.ID), Name: fmt.Sprintf("vm-%d", k), Image: "disk", Size: "tiny", UserData: "#cloud-config\npassword: hunter2-" + a.Name + "\n",
				})
				e.ok(err)
				_, _, err = c.CreatePortForward(ctx, root, control.NewPortForward{
					Machine: control.MachineRef{Machine: string(m.ID)}, PublicPort: int64(2000 + 100*i + 10*j + k), Port: 22,
				})
				e.ok(err)
			}
		}
	}
}

// populate makes people and service accounts with random roles and tokens.
func (e *estate) populate(rnd *rand.Rand, n int) {
	e.t.Helper()
	ctx, c, root := e.t.Context(), e.control, e.root
	machines, _, err := c.Machines(ctx, root, control.Query{Limit: 1000})
	e.ok(err)
	roles := []cloud.UserRole{"", "", "", "", cloud.InstallationOperator, cloud.InstallationSupport, cloud.InstallationBilling, cloud.InstallationAdmin}
	for i := range n {
		u := &cloud.User{Name: fmt.Sprintf("user-%d", i)}
		if i%5 == 4 {
			u.AccountID = e.spaces[rnd.IntN(len(e.spaces))].AccountID
			e.ok(c.CreateServiceAccount(ctx, root, u))
		} else {
			u.Role = roles[rnd.IntN(len(roles))]
			password := ""
			if i < 2 {
				password = "correct horse battery"
			}
			e.ok(c.CreateUser(ctx, root, u, password))
			if password != "" {
				_, _, err := c.Login(ctx, control.Login{Name: u.Name, Password: password, Address: "192.0.2.1", Agent: "test"})
				e.ok(err)
			}
		}
		p := &principal{name: u.Name, user: string(u.ID), role: string(u.Role)}
		for range rnd.IntN(4) {
			s, m := e.spaces[rnd.IntN(len(e.spaces))], &machines[rnd.IntN(len(machines))]
			in := control.NewMembership{User: string(u.ID), Role: cloud.ScopeRoles[rnd.IntN(3)]}
			g := grant{account: string(s.AccountID), role: string(in.Role)}
			switch rnd.IntN(4) {
			case 3:
				o := e.projects[rnd.IntN(len(e.projects))]
				in.Project, g.account, g.project = o.ID, string(o.AccountID), string(o.ID)
			case 0:
				in.Account = s.AccountID
			case 1:
				in.Cloudspace, g.space = s.ID, string(s.ID)
			default:
				in.Machine, g = m.ID, grant{string(m.AccountID), string(m.CloudspaceID), string(m.ID), "", string(in.Role)}
			}
			has := func(o grant) bool {
				return o.account == g.account && o.space == g.space && o.machine == g.machine && o.project == g.project
			}
			if slices.ContainsFunc(p.grants, has) || u.AccountID != "" && g.account != string(u.AccountID) {
				continue
			}
			_, err := c.CreateMembership(ctx, root, in)
			e.ok(err)
			p.grants = append(p.grants, g)
		}
		e.credential(rnd, u, p)
	}
}

// credential gives the principal tokens, one of which it uses.
func (e *estate) credential(rnd *rand.Rand, u *cloud.User, p *principal) {
	e.t.Helper()
	own := *e.root
	own.User = u
	for _, g := range p.grants {
		own.Memberships = append(own.Memberships, cloud.Membership{AccountID: cloud.AccountID(g.account), Role: cloud.ScopeReader})
	}
	t := &cloud.Token{Name: "first", Scope: []string{cloud.TokenScopeFull, cloud.TokenScopeRead}[rnd.IntN(2)]}
	if len(p.grants) > 0 && rnd.IntN(2) == 0 {
		t.AccountID = cloud.AccountID(p.grants[rnd.IntN(len(p.grants))].account)
	}
	p.limit = string(t.AccountID)
	var err error
	p.token, err = e.control.CreateToken(e.t.Context(), &own, u.ID, t)
	e.ok(err)
	for i, g := range p.grants { // others, which a limited one must not show
		_, err := e.control.CreateToken(e.t.Context(), &own, u.ID, &cloud.Token{Name: fmt.Sprintf("other-%d", i), AccountID: cloud.AccountID(g.account)})
		e.ok(err)
	}
	e.people = append(e.people, p)
}

// TestNobodySeesWhatIsNotHis gives random roles on accounts, cloudspaces and
// machines, and random tokens, and compares each list, each single object and the
// feed of events with what the model of rights says, for everybody.
func TestNobodySeesWhatIsNotHis(t *testing.T) {
	w := newWorldWith(t, Config{UserRate: Rate{1e6, 1e6}, AddressRate: Rate{1e6, 1e6}})
	e := &estate{world: w, things: map[string]*thing{}}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	e.build(3)
	e.populate(rnd, 25)
	e.settle()
	e.survey()
	for _, p := range e.people {
		for _, kind := range kinds {
			e.checkList(p, kind)
		}
		e.checkShow(p)
		e.checkScopes(p)
		e.checkFeed(p)
		e.checkForeignCursor(p)
		e.checkSearch(p)
	}
}

// settle waits until the operations have come as far as they can without agents
// and all events so far have numbers.
func (e *estate) settle() {
	e.t.Helper()
	ctx := e.t.Context()
	e.eventually("a job of each machine", func() bool {
		list, _, err := e.control.Jobs(ctx, e.root, control.Query{Limit: 1000, Filter: []string{"action=image.ensure"}})
		return err == nil && len(list) == 2*len(e.spaces)
	})
	_, last, err := e.control.CreateJoinToken(ctx, e.root, control.NewJoinToken{Uses: 1, TTL: time.Hour, Location: "home"})
	e.ok(err)
	e.eventually("the last event's number", func() bool {
		list, _, err := e.control.Events(ctx, e.root, control.Query{Filter: []string{"subject=" + string(last.ID)}})
		return err == nil && len(list) == 1
	})
}

// want are the ids of the kind that the model lets p list.
func (e *estate) want(p *principal, kind string) []string {
	var ids []string
	for id, t := range e.things {
		if t.kind == kind && p.lists(t) {
			ids = append(ids, id)
		}
	}
	return ids
}

// lists is sees for lists: those of tokens and sessions are one user's, here
// one's own, and those of service accounts and memberships are of what one may
// read, not of what is one's own.
func (p *principal) lists(t *thing) bool {
	who := *p
	switch t.kind {
	case "tokens", "sessions":
		if t.user != p.user {
			return false
		}
	case "memberships", "service-accounts":
		who.user = "nobody"
	}
	return who.sees(t)
}

func (e *estate) checkList(p *principal, kind string) {
	e.t.Helper()
	want := e.want(p, kind)
	got := map[string]bool{}
	for _, item := range e.listed(p, kind, 3) {
		id := field(item, "id")
		if e.things[id] == nil { // made meanwhile
			e.survey()
		}
		if t := e.things[id]; t == nil || !p.lists(t) {
			e.t.Errorf("%+v lists %s %+v", p, kind, t)
		}
		got[id] = true
	}
	for _, id := range want {
		if !got[id] {
			e.t.Errorf("%+v does not list %s %+v", p, kind, e.things[id])
		}
	}
}

// absent is an id that nothing has.
const absent = "0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b"

// shows are what can be asked of one object, besides the object.
var shows = map[string][]string{
	"accounts": {""}, "service-accounts": {""}, "ssh-keys": {""}, "images": {""}, "cloudspaces": {""}, "machines": {""},
	"projects": {""}, "deployments": {""}, "actions": {""}, "bundles": {""}, "disks": {""}, "port-forwards": {""}, "operations": {"", "/jobs"}, "jobs": {"", "/logs"}, "memberships": {""}, "locations": {""},
	"sizes": {""}, "nodes": {""}, "join-tokens": {""}, "leftovers": {""}, "schedules": {""}, "scripts": {"", "/source", "/revisions"}, "users": {""}, "tokens": {""},
	"webhooks": {"", "/deliveries"}, "spaces": {""}, "pages": {"", "/html", "/revisions"},
}

// checkShow asks for single objects. One that the caller may not see is answered
// as one that is not there.
func (e *estate) checkShow(p *principal) {
	e.t.Helper()
	for id, t := range e.things {
		for _, part := range shows[t.kind] {
			a := e.get(p.token, "/api/v1/"+t.kind+"/"+id+part)
			if strings.Contains(a.text, "hunter2") || strings.Contains(a.text, "whsec_") {
				e.t.Errorf("%s of %s %s shows user-data: %s", part, t.kind, id, a.text)
			}
			if p.sees(t) {
				if a.StatusCode != 200 {
					e.t.Errorf("%+v gets %d for %+v: %s", p, a.StatusCode, t, a.text)
				}
				continue
			}
			none := e.get(p.token, "/api/v1/"+t.kind+"/"+absent+part)
			if a.StatusCode != 404 || none.StatusCode != 404 || a.detail(id) != none.detail(absent) {
				e.t.Errorf("%+v gets %d %q for %+v, and %d %q for what is not there", p, a.StatusCode, a.detail(id), t, none.StatusCode, none.detail(absent))
			}
		}
	}
}

// detail is what a problem says, without the id.
func (a *answered) detail(id string) string {
	var p api.Problem
	a.read(&p)
	return strings.ReplaceAll(p.Detail, id, "ID")
}

// checkScopes asks for the quota, the ledger and the usage of accounts and cloudspaces.
func (e *estate) checkScopes(p *principal) {
	e.t.Helper()
	for id, t := range e.things {
		if t.kind != "accounts" && t.kind != "cloudspaces" && t.kind != "projects" {
			continue
		}
		quota := *t
		quota.kind = "quota"
		for _, part := range []string{"/quota", "/ledger", "/usage?from=2026-01-01T00:00:00Z"} {
			if a := e.get(p.token, "/api/v1/"+t.kind+"/"+id+part); (a.StatusCode == 200) != p.sees(&quota) || a.StatusCode != 200 && a.StatusCode != 404 {
				e.t.Errorf("%+v gets %d for %s of %+v", p, a.StatusCode, part, t)
			}
		}
	}
}

// checkFeed follows the events from the beginning up to the last that is known.
func (e *estate) checkFeed(p *principal) {
	e.t.Helper()
	want := map[string]bool{}
	for _, id := range e.want(p, "events") {
		want[id] = true
	}
	if len(want) == 0 {
		return
	}
	ws := e.follow(p.token, "?after=0")
	for len(want) > 0 {
		m := e.next(ws)
		if m.Type != api.FeedEvent {
			e.t.Fatalf("the feed of %+v says %+v", p, m)
		}
		if e.things[m.Event.ID] == nil {
			e.survey()
		}
		if t := e.things[m.Event.ID]; !p.lists(t) {
			e.t.Errorf("the feed of %+v has %+v", p, m.Event)
		}
		delete(want, m.Event.ID)
	}
	ws.CloseNow()
}

// checkForeignCursor goes on in the admin's list of machines with others' rights.
func (e *estate) checkForeignCursor(p *principal) {
	e.t.Helper()
	for _, sort := range []string{"", "&sort=name", "&sort=-state"} {
		var first api.Page[map[string]any]
		e.get(e.admin, "/api/v1/machines?limit=1"+sort).read(&first)
		var rest api.Page[map[string]any]
		e.get(p.token, "/api/v1/machines?limit=1000"+sort+"&cursor="+first.Next).read(&rest)
		for _, item := range rest.Items {
			if t := e.things[field(item, "id")]; !p.lists(t) {
				e.t.Errorf("with the admin's cursor %+v lists %+v", p, t)
			}
		}
	}
}

// TestEveryListIsChecked: an operation that reads is in the tables above.
func TestEveryListIsChecked(t *testing.T) {
	elsewhere := []string{ // the tests of these are others
		"/me", "/capacity", "/events:verify", "/events:export", "/settings", "/branding", "/branding/logo",
		"/login/providers", "/login/oidc/{provider}", "/login/oidc/{provider}/callback",
		"/webhooks/{webhook}/deliveries/{delivery}", "/machines/{machine}/console",
		"/macros", "/pages/{page}/revisions/{number}", "/pages/{page}/revisions/{number}/diff",
		"/accounts/{account}/quota", "/accounts/{account}/ledger", "/accounts/{account}/usage",
		"/cloudspaces/{cloudspace}/quota", "/cloudspaces/{cloudspace}/ledger", "/cloudspaces/{cloudspace}/usage",
		"/projects/{project}/quota", "/projects/{project}/ledger", "/projects/{project}/usage",
	}
	for _, op := range operations(t) {
		path := strings.TrimPrefix(op.Path, prefix)
		kind, rest, one := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		_, part, _ := strings.Cut(rest, "}")
		switch {
		case op.Method != "GET" || slices.Contains(elsewhere, path) || path == "/search":
		case !one && !slices.Contains(kinds, kind):
			t.Errorf("no check compares %s with the model of rights", path)
		case one && !slices.Contains(shows[kind], part):
			t.Errorf("no check asks for %s as somebody who may not", path)
		}
	}
}

// TestNamesTellNothing: who may not see an account cannot find out by names what
// there is in it, nor that it is there.
func TestNamesTellNothing(t *testing.T) {
	w := newWorldWith(t, Config{UserRate: Rate{1e6, 1e6}})
	e := &estate{world: w, things: map[string]*thing{}}
	e.build(1)
	stranger := w.user("stranger", "", "")
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		for _, account := range []string{"account-0", "account-9"} {
			for _, space := range []string{"space-0", "space-9"} {
				for _, m := range []string{"vm-0", "vm-9"} {
					a := w.do(stranger, method, "/api/v1/machines/"+m+"?account="+account+"&cloudspace="+space, bodyOf(method))
					var p api.Problem
					a.read(&p)
					if want := "there is no machine " + m + " in cloudspace " + space + " of account " + account; a.StatusCode != 404 || p.Detail != want {
						t.Errorf("%s %s = %d %q, want %q", method, a.Request.URL, a.StatusCode, p.Detail, want)
					}
				}
				a := w.do(stranger, method, "/api/v1/cloudspaces/"+space+"?account="+account, bodyOf(method))
				var p api.Problem
				a.read(&p)
				if want := "there is no cloudspace " + space + " of account " + account; a.StatusCode != 404 || p.Detail != want {
					t.Errorf("%s %s = %d %q, want %q", method, a.Request.URL, a.StatusCode, p.Detail, want)
				}
			}
			for _, path := range []string{"images/own", "ssh-keys/key", "service-accounts/x"} {
				a := w.get(stranger, "/api/v1/"+path+"?account="+account)
				var p api.Problem
				a.read(&p)
				if want := "there is no account " + account; a.StatusCode != 404 || p.Detail != want {
					t.Errorf("GET %s = %d %q, want %q", a.Request.URL, a.StatusCode, p.Detail, want)
				}
			}
		}
	}
}

func bodyOf(method string) any {
	if method == "PATCH" {
		return `{"name":"x"}`
	}
	return nil
}
