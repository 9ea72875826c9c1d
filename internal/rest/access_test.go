package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// fixture are objects to ask for: one of each kind, by the name of its place in
// paths. Changes are asked as dry runs, so that all stay.
func fixture(w *world) map[string]string {
	w.t.Helper()
	ctx, c, root := w.t.Context(), w.control, w.root
	ids := map[string]string{"account": string(w.account.ID), "cloudspace": string(w.space.ID)}
	node := w.node("node-1")
	ids["leftover"] = string(w.leftover(node))
	ids["node"] = string(node)
	join, t, err := c.CreateJoinToken(ctx, root, control.NewJoinToken{Uses: 1, TTL: time.Hour})
	_, ids["join_token"] = join, string(t.ID)
	w.ok(err)
	img := w.image("disk")
	ids["image"] = string(img)
	m, o, err := c.CreateMachine(ctx, root, control.NewMachine{
		Cloudspace: ids["cloudspace"], Name: "web-1", Image: ids["image"], Size: "tiny",
	})
	w.ok(err)
	ids["machine"], ids["operation"] = string(m.ID), string(o.ID)
	disks, _, err := c.Disks(ctx, root, control.Query{})
	w.ok(err)
	ids["disk"] = string(disks[0].ID)
	f, _, err := c.CreatePortForward(ctx, root, control.NewPortForward{Machine: control.MachineRef{Machine: ids["machine"]}, PublicPort: 2222, Port: 22})
	w.ok(err)
	ids["port_forward"] = string(f.ID)
	job := &cloud.Job{Action: cloud.ActionNoop, TargetNode: node}
	w.ok(c.CreateJobs(ctx, root, []*cloud.Job{job}))
	ids["job"] = string(job.ID)
	sc, err := c.CreateScript(ctx, root, "", "uptime", []byte("#!/bin/sh\n# description: how long it is up\nuptime\n"))
	w.ok(err)
	ids["script"] = string(sc.ID)
	sched := &cloud.Schedule{Name: "nightly", Command: []string{"true"}, All: true, Every: "1h", Miss: cloud.MissSkip}
	w.ok(c.CreateSchedule(ctx, root, sched))
	ids["schedule"] = string(sched.ID)
	l := &cloud.Location{Name: "ghent"}
	w.ok(c.CreateLocation(ctx, root, l))
	z := &cloud.Size{Name: "odd", VCPUs: 1, MemoryMiB: 64, DiskGiB: 1}
	w.ok(c.CreateSize(ctx, root, z))
	ids["location"], ids["size"] = string(l.ID), string(z.ID)
	peopleFixture(w, ids)
	deploymentFixture(w, ids)
	pages, p := w.pages(control.WikiSpaceRef{Account: ids["account"], Space: "runbooks"})
	ids["space"], ids["page"], ids["number"] = string(pages.ID), string(p.ID), "1"
	h, d := w.webhook(control.NewWebhook{Account: ids["account"], Name: "chat"})
	ids["webhook"], ids["delivery"] = string(h.ID), string(d.ID)
	return ids
}

// pages is a space with a page.
func (w *world) pages(at control.WikiSpaceRef) (*control.WikiSpace, *control.WikiPage) {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := w.control.CreateWikiSpace(ctx, w.root, at.Account, at.Project, control.WikiSpaceChange{Name: &at.Space})
	w.ok(err)
	slug, text := "index", "# Front\nWhat is peculiar to "+at.Account+at.Project
	p, err := w.control.CreateWikiPage(ctx, w.root, control.WikiSpaceRef{Space: string(s.ID)}, control.WikiPageChange{Slug: &slug, Body: &text})
	w.ok(err)
	return s, p
}

// deploymentFixture are a project without control scripts, so that none is waited
// for, and a deployment of it.
func deploymentFixture(w *world, ids map[string]string) {
	w.t.Helper()
	p := w.project(cloud.AccountID(ids["account"]), "shop")
	ids["project"] = string(p.ID)
	ctx := w.t.Context()
	ds, _, err := w.control.Deployments(ctx, w.root, control.Query{})
	w.ok(err)
	as, _, err := w.control.Actions(ctx, w.root, control.Query{})
	w.ok(err)
	bs, _, err := w.control.Bundles(ctx, w.root, control.Query{})
	w.ok(err)
	ids["deployment"], ids["action"], ids["bundle"] = string(ds[0].ID), string(as[0].ID), string(bs[0].ID)
}

// project is a project with a deployment, its log, and a version of control scripts
// that it does not use.
func (w *world) project(account cloud.AccountID, name string) *cloud.Project {
	w.t.Helper()
	ctx := w.t.Context()
	domain := "staging.example.com"
	p, err := w.control.CreateProject(ctx, w.root, string(account), control.ProjectChange{Name: &name, BaseDomain: &domain})
	w.ok(err)
	d := &cloud.Deployment{ID: cloud.NewID[cloud.DeploymentID](), AccountID: p.AccountID, ProjectID: p.ID, Name: "main", State: cloud.DeploymentRunning}
	a := &cloud.Action{
		ID: cloud.NewID[cloud.ActionID](), AccountID: p.AccountID, ProjectID: p.ID, DeploymentID: d.ID, DeploymentName: d.Name,
		Verb: cloud.VerbCreate, Outcome: cloud.ActionSucceeded,
	}
	w.ok(w.control.DB.Update(ctx, func(tx *store.Tx) error { return errors.Join(tx.CreateDeployment(d), tx.CreateAction(a)) }))
	_, err = w.control.CreateBundle(ctx, w.root, control.NewBundle{Project: control.ProjectRef{Project: string(p.ID)}, Kind: cloud.BundleProcess}, nil)
	w.ok(err)
	return p
}

// webhook is a webhook whose ping nobody answers.
func (w *world) webhook(in control.NewWebhook) (*cloud.Webhook, *cloud.Delivery) {
	w.t.Helper()
	in.URL = "https://hooks.invalid/hidden-" + in.Name
	h, _, err := w.control.CreateWebhook(w.t.Context(), w.root, in)
	w.ok(err)
	d, err := w.control.PingWebhook(w.t.Context(), w.root, control.WebhookRef{Webhook: string(h.ID)})
	w.ok(err)
	return h, d
}

func peopleFixture(w *world, ids map[string]string) {
	w.t.Helper()
	ctx, c, root := w.t.Context(), w.control, w.root
	u := &cloud.User{Name: "someone"}
	w.ok(c.CreateUser(ctx, root, u, "correct horse battery"))
	ids["user"] = string(u.ID)
	m, err := c.CreateMembership(ctx, root, control.NewMembership{User: ids["user"], Role: cloud.ScopeReader, Account: w.account.ID})
	w.ok(err)
	ids["membership"] = string(m.ID)
	svc := &cloud.User{Name: "ci", AccountID: w.account.ID}
	w.ok(c.CreateServiceAccount(ctx, root, svc))
	ids["service_account"] = string(svc.ID)
	tok := &cloud.Token{Name: "ci"}
	_, err = c.CreateToken(ctx, root, svc.ID, tok)
	w.ok(err)
	ids["token"] = string(tok.ID)
	key := &cloud.SSHKey{AccountID: w.account.ID, Name: "ada", PublicKey: testKey}
	w.ok(c.CreateSSHKey(ctx, root, key))
	ids["ssh_key"] = string(key.ID)
	_, s, err := c.Login(ctx, control.Login{Name: "someone", Password: "correct horse battery", Address: "192.0.2.1", Agent: "test"})
	w.ok(err)
	ids["session"] = string(s.ID)
}

const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada"

// leftover is something that the node reports and should not have.
func (w *world) leftover(node cloud.NodeID) cloud.LeftoverID {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.control.Agent(ctx, node, &wire.Exchange{Inventory: &wire.Inventory{Machines: []wire.MachineState{
		{ID: cloud.NewID[cloud.MachineID](), Epoch: 1, Power: cloud.PowerOn},
	}}})
	w.ok(err)
	list, _, err := w.control.Leftovers(ctx, w.root, control.Query{})
	w.ok(err)
	return list[0].ID
}

// node joins a node and reports for it once.
func (w *world) node(name string) cloud.NodeID {
	w.t.Helper()
	ctx := w.t.Context()
	join, _, err := w.control.CreateJoinToken(ctx, w.root, control.NewJoinToken{Uses: 1, TTL: time.Hour})
	w.ok(err)
	key, err := pki.NewKey()
	w.ok(err)
	csr, err := pki.NewCSR(key)
	w.ok(err)
	facts := cloud.NodeFacts{Hostname: name, CPUs: 64, MemoryMiB: 1 << 20, DiskMiB: 1 << 24, DiskFreeMiB: 1 << 24, Accelerator: "sim"}
	a, err := w.control.Join(ctx, &wire.JoinRequest{Token: join, Name: name, CSR: csr, Facts: facts, Roles: cloud.Roles, Simulated: true}, "192.0.2.1")
	w.ok(err)
	_, err = w.control.Agent(ctx, a.Node, &wire.Exchange{Agent: "test", Facts: &facts})
	w.ok(err)
	return a.Node
}

// rawDisk is the smallest thing that is a disk: a boot sector.
func rawDisk() []byte {
	b := make([]byte, 1<<20)
	b[510], b[511] = 0x55, 0xaa
	return b
}

func (w *world) image(name string) cloud.ImageID {
	w.t.Helper()
	i, err := w.control.CreateImageFromUpload(w.t.Context(), w.root, control.NewImage{Name: name}, bytes.NewReader(rawDisk()))
	w.ok(err)
	return i.ID
}

// Who may.
const (
	member   = "member" // admin of the account
	reader   = "reader" // of the account
	operator = "operator"
	admin    = "admin"
	anyone   = "anyone" // who is signed in; the stranger sees nothing of others
	nobody   = "nobody" // needs no credential
)

// access says of an operation who may do it. stranger is the status that a user
// without any role gets (0 is 404).
type access struct {
	may      string
	stranger int
	body     string
	query    string
	// allowed is the status that who may gets, where it is not 2xx.
	allowed int
}

// accesses is the authorisation list: every operation of openapi.json is in it.
var accesses = map[string]access{
	"login": {may: nobody, body: `{"name":"someone","password":"correct horse battery"}`},
	"setup": {may: nobody, body: `{"secret":"atoll_setup_x","password":"correct horse battery"}`, allowed: 401},

	"list-login-providers": {may: nobody}, "get-branding": {may: nobody}, "get-logo": {may: nobody, allowed: 404},
	"begin-oidc-login": {may: nobody, allowed: 404}, "end-oidc-login": {may: nobody, allowed: 404},
	"enrol-totp":         {may: anyone, body: `{"password":"wrong password"}`, allowed: 422},
	"confirm-totp":       {may: anyone, body: `{"code":"000000"}`, allowed: 409},
	"new-recovery-codes": {may: anyone, body: `{"code":"000000"}`, allowed: 409},
	"disable-totp":       {may: anyone, body: `{"code":"000000"}`, allowed: 409},
	"reset-user-totp":    {may: admin, allowed: 409}, "unlink-user": {may: admin, allowed: 409},
	"get-settings":    {may: operator, stranger: 403},
	"update-settings": {may: admin, body: `{"display_name":"Acme"}`},
	"set-logo":        {may: admin, body: `<svg xmlns="http://www.w3.org/2000/svg"/>`, allowed: 422}, // the body is sent as JSON
	"delete-logo":     {may: admin},
	"search":          {may: anyone, query: "q=web"}, "export-events": {may: anyone},

	"get-me":     {may: anyone},
	"logout":     {may: anyone, allowed: 422}, // a token is no session
	"list-users": {may: anyone}, "list-tokens": {may: anyone}, "list-sessions": {may: anyone},
	"create-token": {may: anyone, body: `{"name":"another"}`},

	"list-accounts": {may: anyone}, "list-cloudspaces": {may: anyone}, "list-machines": {may: anyone}, "list-disks": {may: anyone},
	"list-port-forwards": {may: anyone}, "list-images": {may: anyone}, "list-operations": {may: anyone}, "list-jobs": {may: anyone},
	"list-events": {may: anyone}, "list-memberships": {may: anyone}, "list-service-accounts": {may: anyone}, "list-ssh-keys": {may: anyone},
	"list-locations": {may: anyone}, "get-location": {may: anyone}, "list-sizes": {may: anyone}, "get-size": {may: anyone},
	"get-image": {may: anyone}, // one of the installation

	"get-account": {may: reader}, "get-account-quota": {may: reader}, "list-account-ledger": {may: reader},
	"get-account-usage":    {may: reader, query: "from=2026-01-01T00:00:00Z"},
	"get-cloudspace":       {may: reader},
	"update-account":       {may: member, body: `{"description":"x"}`},
	"create-account":       {may: operator, stranger: 403, body: `{"name":"acme"}`},
	"delete-account":       {may: operator, allowed: 409},
	"set-account-quota":    {may: operator, body: `{"limits":{"vcpus":8}}`},
	"get-cloudspace-quota": {may: reader}, "list-cloudspace-ledger": {may: reader},
	"get-cloudspace-usage": {may: reader, query: "from=2026-01-01T00:00:00Z"},
	"set-cloudspace-quota": {may: member, body: `{"limits":{"vcpus":8}}`},
	"create-cloudspace":    {may: member, body: `{"account":"{account}","name":"dev","location":"home"}`},
	"update-cloudspace":    {may: member, body: `{"name":"dev"}`},
	"delete-cloudspace":    {may: member, allowed: 409},

	"get-machine":    {may: reader},
	"create-machine": {may: member, body: `{"cloudspace":"{cloudspace}","name":"web-2","image":"disk","size":"tiny"}`},
	"update-machine": {may: member, body: `{"description":"x"}`},
	"start-machine":  {may: member, allowed: 409}, "stop-machine": {may: member, allowed: 409}, "reboot-machine": {may: member, allowed: 409},
	"delete-machine": {may: member, query: "force=true"},
	"open-console":   {may: member, allowed: 409},
	"list-projects":  {may: anyone}, "list-deployments": {may: anyone}, "list-actions": {may: anyone},
	"get-project": {may: reader}, "get-project-defaults": {may: reader, body: `{}`, allowed: 409}, "get-deployment": {may: reader}, "get-action": {may: reader},
	"list-bundles": {may: anyone}, "get-bundle": {may: reader}, "use-bundle": {may: member},
	"create-bundle":     {may: member, body: `{"project":"{project}","kind":"builtin:process"}`},
	"upload-bundle":     {may: member, query: "project={project}", body: "x"},
	"get-project-quota": {may: reader}, "list-project-ledger": {may: reader},
	"get-project-usage":  {may: reader, query: "from=2026-01-01T00:00:00Z"},
	"set-project-quota":  {may: member, body: `{"limits":{"deployments":8}}`},
	"import-deployments": {may: member, body: `{"deployments":[]}`},
	"create-project":     {may: member, body: `{"account":"{account}","name":"x","base_domain":"example.com"}`},
	"update-project":     {may: member, body: `{"description":"x"}`},
	"delete-project":     {may: member, allowed: 409},
	"create-deployment":  {may: member, body: `{"project":"{project}","name":"feature"}`, allowed: 409},
	"update-deployment":  {may: member, body: `{"comment":"x"}`},
	"touch-deployment":   {may: member},
	"archive-deployment": {may: member}, "restore-deployment": {may: member, allowed: 409},
	"cleanup-deployment": {may: member, allowed: 409}, "delete-deployment": {may: member},
	"get-disk": {may: reader}, "get-port-forward": {may: reader},
	"create-port-forward": {may: member, body: `{"machine":"{machine}","public_port":2223,"port":80}`},
	"delete-port-forward": {may: member},

	"create-image": {may: operator, stranger: 403, body: `{"name":"x","url":"http://192.0.2.1/x","sha256":"` + strings.Repeat("a", 64) + `"}`},
	"upload-image": {may: operator, stranger: 403, query: "name=other", body: "x"},
	"update-image": {may: operator, stranger: 403, body: `{"description":"x"}`},
	"delete-image": {may: operator, stranger: 403, allowed: 409},

	"create-location": {may: operator, stranger: 403, body: `{"name":"x"}`},
	"update-location": {may: operator, stranger: 403, body: `{"name":"x"}`},
	"delete-location": {may: operator, stranger: 403},
	"create-size":     {may: operator, stranger: 403, body: `{"name":"x","vcpus":1,"memory_mib":64,"disk_gib":1}`},
	"update-size":     {may: operator, stranger: 403, body: `{"vcpus":2}`},
	"delete-size":     {may: operator, stranger: 403},

	"get-capacity": {may: operator, stranger: 403},
	"list-nodes":   {may: operator, stranger: 403}, "get-node": {may: operator}, "delete-node": {may: operator, allowed: 409},
	"update-node":      {may: operator, body: `{"cordoned":true}`},
	"list-join-tokens": {may: operator, stranger: 403}, "delete-join-token": {may: operator}, "get-join-token": {may: operator},
	"create-join-token": {may: operator, stranger: 403, body: `{"location":"home"}`},
	"list-leftovers":    {may: operator, stranger: 403}, "delete-leftover": {may: operator},
	"get-leftover": {may: operator}, "verify-events": {may: operator, stranger: 403},

	"list-spaces": {may: anyone}, "list-pages": {may: anyone}, "list-macros": {may: anyone}, "render-page": {may: anyone, body: `{"body":"x"}`},
	"create-space": {may: member, body: `{"account":"{account}","name":"x"}`},
	"get-space":    {may: reader}, "update-space": {may: member, body: `{"title":"x"}`}, "delete-space": {may: member, query: "force=true"},
	"create-page": {may: member, body: `{"space":"{space}","slug":"x"}`},
	"get-page":    {may: reader}, "get-page-html": {may: reader}, "update-page": {may: member, body: `{"title":"x"}`}, "delete-page": {may: member},
	"list-page-revisions": {may: reader}, "get-page-revision": {may: reader}, "diff-page-revision": {may: reader},
	"restore-page-revision": {may: member},

	"list-scripts": {may: operator, stranger: 200}, "get-script": {may: operator}, "get-script-source": {may: operator},
	"list-script-revisions": {may: operator}, "delete-script": {may: operator},
	"create-script":  {may: operator, stranger: 403, query: "name=x", body: "#!/bin/sh\ntrue\n"},
	"list-schedules": {may: operator, stranger: 200}, "get-schedule": {may: operator}, "delete-schedule": {may: operator},
	"create-schedule": {may: operator, stranger: 403, body: `{"name":"x","command":["true"],"all":true,"every":"1h"}`},
	"pause-schedule":  {may: operator}, "resume-schedule": {may: operator}, "update-schedule": {may: operator, body: `{"every":"2h"}`},

	"create-run":  {may: operator, stranger: 404, body: `{"command":["true"],"all":true}`},
	"create-job":  {may: operator, stranger: 403, body: `{"action":"noop","node":"{node}"}`},
	"create-jobs": {may: operator, stranger: 403, body: `{"jobs":[{"action":"noop","node":"{node}"}]}`},
	"get-job":     {may: operator}, "get-job-logs": {may: operator}, "cancel-job": {may: operator},

	"get-operation": {may: reader}, "list-operation-jobs": {may: reader},
	"cancel-operation": {may: member}, "retry-operation": {may: member, allowed: 409},

	"get-membership":    {may: member},
	"create-membership": {may: member, body: `{"user":"stranger","role":"reader","account":"{account}"}`},
	"update-membership": {may: member, body: `{"role":"writer"}`}, "delete-membership": {may: member},
	"get-service-account": {may: reader}, "delete-service-account": {may: member},
	"create-service-account": {may: member, body: `{"account":"{account}","name":"x"}`},
	"update-service-account": {may: member, body: `{"full_name":"x"}`},
	"get-token":              {may: member}, "delete-token": {may: member},
	"get-ssh-key": {may: reader}, "delete-ssh-key": {may: member},
	"update-ssh-key": {may: member, body: `{"name":"other"}`},
	"create-ssh-key": {may: member, body: `{"account":"{account}","name":"x","public_key":"` + testKey + `"}`},

	"list-webhooks": {may: anyone}, "get-webhook": {may: member},
	"create-webhook":        {may: member, body: `{"account":"{account}","name":"x","url":"https://hooks.example.com"}`},
	"update-webhook":        {may: member, body: `{"paused":true}`},
	"delete-webhook":        {may: member},
	"rotate-webhook-secret": {may: member, body: `{}`},
	"ping-webhook":          {may: member}, "list-deliveries": {may: member}, "get-delivery": {may: member}, "redeliver": {may: member},

	"get-user":          {may: operator},
	"create-user":       {may: operator, stranger: 403, body: `{"name":"x"}`},
	"update-user":       {may: operator, body: `{"full_name":"x"}`},
	"create-setup-link": {may: operator},
	"delete-user":       {may: admin}, "delete-session": {may: admin},
	"set-user-password": {may: admin, body: `{"password":"correct horse battery"}`},
}

// withoutCredential lists the operations that need none: what the sign-in page needs.
var withoutCredential = []string{"login", "setup", "list-login-providers", "begin-oidc-login", "end-oidc-login", "get-branding", "get-logo"}

// TestAccess does every operation of openapi.json as nobody, as a user without
// any role, with tokens of another account, and as somebody who may.
func TestAccess(t *testing.T) {
	w := newWorldWith(t, Config{AddressRate: Rate{10000, 10000}})
	ids := fixture(w)
	tokens := map[string]string{
		admin: w.admin, operator: w.user("operator", cloud.InstallationOperator, ""),
		member: w.user("member", "", cloud.ScopeAdmin), reader: w.user("reader", "", cloud.ScopeReader),
	}
	tokens[anyone] = tokens[reader]
	stranger := w.user("stranger", "", "")
	neighbour, limited := w.neighbours()
	seen := map[string]bool{}
	for _, op := range operations(t) {
		seen[op.OperationID] = true
		t.Run(op.OperationID, func(t *testing.T) {
			a, ok := accesses[op.OperationID]
			if !ok {
				t.Fatal("is not in the authorisation list: add who may do it")
			}
			if (a.may == nobody) != slices.Contains(withoutCredential, op.OperationID) {
				t.Fatal("needs no credential and is not in the list of exceptions, or is in it and needs one")
			}
			for _, who := range []struct{ name, token string }{{"nobody", ""}, {"stranger", stranger}, {"allowed", tokens[a.may]}} {
				checkAccess(t, w, op, a, ids, who.name, who.token)
			}
			if a.may != anyone && a.may != nobody {
				checkAccess(t, w, op, a, ids, "stranger", neighbour)
				checkAccess(t, w, op, a, ids, "stranger", limited)
			}
		})
	}
	for id := range accesses {
		if !seen[id] {
			t.Errorf("%s is in the authorisation list and no operation", id)
		}
	}
}

// neighbours are a token of another account's admin, and one of an operator who is
// admin of both accounts, limited to the other one: here they are strangers.
func (w *world) neighbours() (neighbour, limited string) {
	w.t.Helper()
	ctx := w.t.Context()
	other := &cloud.Account{Name: "other"}
	w.ok(w.control.CreateAccount(ctx, w.root, other, nil))
	neighbour = w.user("neighbour", "", "")
	w.user("both", cloud.InstallationOperator, cloud.ScopeAdmin)
	for _, name := range []string{"neighbour", "both"} {
		_, err := w.control.CreateMembership(ctx, w.root, control.NewMembership{User: name, Role: cloud.ScopeAdmin, Account: other.ID})
		w.ok(err)
	}
	u, err := w.control.User(ctx, w.root, "both")
	w.ok(err)
	own := *w.root
	own.User = u
	limited, err = w.control.CreateToken(ctx, &own, u.ID, &cloud.Token{Name: "limited", AccountID: other.ID})
	w.ok(err)
	return neighbour, limited
}

func checkAccess(t *testing.T, w *world, op *huma.Operation, a access, ids map[string]string, who, token string) {
	t.Helper()
	res := askFor(w, op, a, ids, token)
	got := res.StatusCode
	ok := false
	switch {
	case who == "nobody" && a.may != nobody:
		ok = got == http.StatusUnauthorized
	case who == "stranger" && a.may != anyone && a.may != nobody:
		want := a.stranger
		if want == 0 {
			want = http.StatusNotFound
		}
		ok = got == want
	case a.allowed != 0:
		ok = got == a.allowed
	default:
		ok = got >= 200 && got < 300
	}
	if !ok {
		t.Errorf("%s gets %d: %.300s", who, got, res.text)
	}
	if own := []string{"list-users", "list-tokens", "list-locations", "list-sizes", "list-images", "list-macros"}; who == "stranger" && got == 200 &&
		strings.HasPrefix(op.OperationID, "list-") && !slices.Contains(own, op.OperationID) && !strings.Contains(res.text, `"items":[]`) {
		t.Errorf("a stranger sees %.300s", res.text)
	}
}

func askFor(w *world, op *huma.Operation, a access, ids map[string]string, token string) *answered {
	w.t.Helper()
	fill := func(s string) string {
		for k, v := range ids {
			s = strings.ReplaceAll(s, "{"+k+"}", v)
		}
		return s
	}
	path := fill(op.Path) + "?" + fill(a.query)
	if slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "dry_run" }) {
		path += "&dry_run=true"
	}
	var body any
	if a.body != "" {
		body = fill(a.body)
	}
	var headers []string
	if op.OperationID == "open-console" {
		headers = []string{"Upgrade", "websocket", "Connection", "Upgrade"}
	}
	return w.do(token, op.Method, path, body, headers...)
}

// operations are those that the code registers.
func operations(t *testing.T) []*huma.Operation {
	t.Helper()
	s, err := New(nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*huma.Operation
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(s.openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range s.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if doc.Paths[path][strings.ToLower(op.Method)] == nil {
				t.Error(fmt.Sprint(op.Method, " ", path, " is not in openapi.json"))
			}
			out = append(out, op)
		}
	}
	slices.SortFunc(out, func(a, b *huma.Operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return out
}
