package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, field              string
	}{
		{"unknown field", "POST", "/accounts", `{"name":"x","colour":"red"}`, nil, 422, "invalid", "colour"},
		{"wrong type", "POST", "/sizes", `{"name":"x","vcpus":"two","memory_mib":64,"disk_gib":1}`, nil, 422, "invalid", "vcpus"},
		{"out of range", "POST", "/sizes", `{"name":"x","vcpus":0,"memory_mib":64,"disk_gib":1}`, nil, 422, "invalid", "vcpus"},
		{"missing field", "POST", "/sizes", `{"name":"x","memory_mib":64,"disk_gib":1}`, nil, 422, "invalid", "vcpus"},
		{"bad name", "POST", "/accounts", `{"name":"Not A Name"}`, nil, 422, "invalid", "name"},
		{"no JSON", "POST", "/accounts", `{"name":`, nil, 400, "invalid", "body"},
		{"no body", "POST", "/accounts", ``, nil, 400, "invalid", ""},
		{"unknown query", "GET", "/accounts?colour=red", "", nil, 422, "invalid", "colour"},
		{"bad limit", "GET", "/accounts?limit=0", "", nil, 422, "invalid", "limit"},
		{"bad sort", "GET", "/accounts?sort=colour", "", nil, 422, "invalid", "sort"},
		{"bad cursor", "GET", "/accounts?cursor=x", "", nil, 422, "invalid", "cursor"},
		{"bad filter", "GET", "/accounts?filter=x", "", nil, 422, "invalid", "filter"},
		{"no id", "GET", "/jobs/x", "", nil, 422, "invalid", "job"},
		{"not there", "GET", "/accounts/nobody", "", nil, 404, "not-found", ""},
		{"taken", "POST", "/accounts", `{"name":"default"}`, nil, 409, "conflict", "name"},
		{"bad version", "PATCH", "/accounts/default", `{"description":"x"}`, []string{"If-Match", "red"}, 422, "invalid", "If-Match"},
		{"stale version", "PATCH", "/accounts/default", `{"description":"x"}`, []string{"If-Match", `"99"`}, 409, "conflict", ""},
		{"two changes", "PATCH", "/accounts/default", `{"description":"x","state":"disabled"}`, nil, 422, "invalid", "state"},
		{"bad ttl", "POST", "/tokens", `{"name":"x","ttl":"soon"}`, nil, 422, "invalid", "ttl"},
		{"too large", "POST", "/accounts", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, "too-large", ""},
		{"wrong media type", "POST", "/accounts", `name: x`, []string{"Content-Type", "application/yaml"}, 415, "invalid", "body"},
		{"no route", "GET", "/nothing", "", nil, 404, "not-found", ""},
		{"no method", "PUT", "/accounts", "{}", nil, 404, "not-found", ""},
		{"not two scopes", "GET", "/machines/web-1", "", nil, 422, "invalid", "cloudspace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body any
			if tt.body != "" {
				body = tt.body
			}
			a := w.do(w.admin, tt.method, prefix+tt.path, body, tt.headers...)
			a.t = t
			a.problem(tt.status, tt.code, tt.field)
		})
	}
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	a := w.get("", "/api/v1/me")
	a.problem(401, "unauthenticated", "")
	if a.Header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	w.get("atoll_wrong", "/api/v1/me").problem(401, "unauthenticated", "")
	w.get("", "/api/v1/me", "Authorization", "Basic eDp5").problem(401, "unauthenticated", "")
	var me api.Me
	w.get(w.admin, "/api/v1/me").read(&me)
	if me.User.Name != "admin" || me.Kind != "user" || len(me.Memberships) != 1 || me.ReadOnly {
		t.Errorf("me is %+v", me)
	}
	var tok api.TokenCreated
	w.post(w.admin, "/api/v1/tokens", `{"name":"looker","scope":"read","ttl":"1h"}`).read(&tok)
	if tok.Secret == "" || tok.Scope != "read" || tok.ExpiresAt.IsZero() {
		t.Errorf("token is %+v", tok)
	}
	w.get(tok.Secret, "/api/v1/accounts").status(200)
	w.post(tok.Secret, "/api/v1/accounts", `{"name":"x"}`).problem(403, "denied", "")
	w.do(w.admin, "DELETE", "/api/v1/tokens/looker", nil).status(204)
	w.get(tok.Secret, "/api/v1/accounts").problem(401, "unauthenticated", "")
	if strings.Contains(w.logged(), tok.Secret) || strings.Contains(w.logged(), w.admin) {
		t.Error("the log has a secret")
	}
}

func TestRequestID(t *testing.T) {
	w := newWorld(t)
	if id := w.get("", "/livez", "X-Request-Id", "mine-1").Header.Get("X-Request-Id"); id != "mine-1" {
		t.Errorf("the id is %q", id)
	}
	for _, bad := range []string{"a b", strings.Repeat("x", 100), "<x>"} {
		if id := w.get("", "/livez", "X-Request-Id", bad).Header.Get("X-Request-Id"); !cloud.IsID(id) {
			t.Errorf("the id for %q is %q", bad, id)
		}
	}
	if !strings.Contains(w.logged(), "request_id=mine-1") {
		t.Error("the log does not name the request id")
	}
}

func TestPanic(t *testing.T) {
	w := newWorld(t)
	s, err := New(w.control, Config{Log: w.server.Config.Handler.(*Server).Log})
	w.ok(err)
	h := s.observe(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret cause") }))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != 500 || !strings.Contains(rec.Body.String(), `"code":"internal"`) || strings.Contains(rec.Body.String(), "secret cause") {
		t.Errorf("answered %d %s", rec.Code, rec.Body)
	}
	if !strings.Contains(w.logged(), "secret cause") {
		t.Error("the log does not have the cause")
	}
}

func TestVersionsAndPlans(t *testing.T) {
	w := newWorld(t)
	a := w.post(w.admin, "/api/v1/accounts?dry_run=true", `{"name":"acme"}`)
	a.status(200)
	var plan api.Plan
	if a.read(&plan); plan.Action != "account.create" {
		t.Errorf("plan is %s", a.text)
	}
	w.get(w.admin, "/api/v1/accounts/acme").status(404)
	a = w.post(w.admin, "/api/v1/accounts", `{"name":"acme"}`)
	a.status(201)
	at, tag := a.Header.Get("Location"), a.Header.Get("ETag")
	if tag == "" || !strings.HasPrefix(at, "/api/v1/accounts/") {
		t.Errorf("Location %q, ETag %q", at, tag)
	}
	b := w.do(w.admin, "PATCH", at, `{"description":"one"}`, "If-Match", tag)
	b.status(200)
	if b.Header.Get("ETag") == tag {
		t.Error("the ETag stays after a change")
	}
	w.do(w.admin, "PATCH", at, `{"description":"two"}`, "If-Match", tag).problem(409, "conflict", "")
	w.do(w.admin, "DELETE", at, nil, "If-Match", tag).problem(409, "conflict", "")
	w.do(w.admin, "DELETE", at, nil, "If-Match", b.Header.Get("ETag")).status(204)
}

func TestLists(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"c", "a", "b"} {
		w.post(w.admin, "/api/v1/accounts", fmt.Sprintf(`{"name":"zz-%s"}`, name)).status(201)
	}
	var names []string
	path := "/api/v1/accounts?limit=2&sort=-created_at&filter=name~zz-"
	for next := ""; ; {
		var p api.Page[api.Account]
		a := w.get(w.admin, path+"&cursor="+next)
		a.status(200)
		a.read(&p)
		for _, z := range p.Items {
			names = append(names, z.Name)
		}
		if next = p.Next; next == "" {
			break
		}
	}
	if got := fmt.Sprint(names); got != "[zz-b zz-a zz-c]" {
		t.Errorf("listed %s", got)
	}
	var p api.Page[api.Account]
	w.get(w.admin, "/api/v1/accounts?filter=name~zz&filter=name!=zz-a").read(&p)
	if len(p.Items) != 2 || p.Items[0].Name != "zz-c" {
		t.Errorf("filtered %+v", p.Items)
	}
}

func TestOnce(t *testing.T) {
	w := newWorld(t)
	post := func(body, key string) *answered {
		return w.post(w.admin, "/api/v1/accounts", body, "Idempotency-Key", key)
	}
	first := post(`{"name":"acme"}`, "k1")
	first.status(201)
	again := post(`{"name":"acme"}`, "k1")
	again.status(201)
	if again.text != first.text || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("answered %s, then %s", first.text, again.text)
	}
	post(`{"name":"other"}`, "k1").problem(422, "invalid", "Idempotency-Key")
	post(`{"name":"acme"}`, "k2").problem(409, "conflict", "name")
	post(`{"name":"acme"}`, strings.Repeat("k", 300)).problem(422, "invalid", "Idempotency-Key")
	// What failed may be sent again.
	post(`{"name":"Bad"}`, "k3").problem(422, "invalid", "name")
	post(`{"name":"good"}`, "k3").status(201)
	// Secrets are not kept.
	tok := func() *answered { return w.post(w.admin, "/api/v1/tokens", `{"name":"x"}`, "Idempotency-Key", "k4") }
	tok().status(201)
	tok().problem(409, "conflict", "")
}

func TestRates(t *testing.T) {
	w := newWorldWith(t, Config{UserRate: Rate{0.001, 3}, AddressRate: Rate{0.001, 2}})
	for range 3 {
		w.get(w.admin, "/api/v1/me").status(200)
	}
	a := w.get(w.admin, "/api/v1/me")
	if p := a.problem(429, "rate-limited", ""); p.RetryAfter < 1 || a.Header.Get("Retry-After") == "" {
		t.Errorf("no time to retry in %s", a.text)
	}
	for range 2 {
		w.get("atoll_wrong", "/api/v1/me").problem(401, "unauthenticated", "")
	}
	w.get("atoll_wrong", "/api/v1/me").problem(429, "rate-limited", "")
	w.post("", "/api/v1/login", `{"name":"x","password":"x"}`).problem(429, "rate-limited", "")
	w.get("", "/livez").status(200)
}

func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(Rate{1, 1})
	for i := range maxLimited + 100 {
		_ = l.take(fmt.Sprint(i), "of nobody")
	}
	if n := len(l.keys); n > maxLimited {
		t.Errorf("%d keys are remembered", n)
	}
}

func TestProbes(t *testing.T) {
	var missing error
	w := newWorldWith(t, Config{Ready: func() error { return missing }})
	w.get("", "/livez").status(200)
	w.get("", "/readyz").status(200)
	missing = errors.New("the agent is not online yet")
	w.get("", "/readyz").status(503)
	w.get(w.admin, "/api/v1/accounts/default").status(200)
	a := w.get("", "/metrics") // we are local
	a.status(200)
	if !strings.Contains(a.text, `atoll_http_requests_total{method="GET",route="/api/v1/accounts/{account}",status="200"} 1`) {
		t.Errorf("metrics lack the route: %.2000s", a.text)
	}
	remote := func(token string) int {
		rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = "192.0.2.1:1234"
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w.server.Config.Handler.ServeHTTP(rec, r)
		return rec.Code
	}
	for token, want := range map[string]int{"": 401, w.user("tenant", "", cloud.ScopeAdmin): 403, w.user("op", cloud.InstallationOperator, ""): 200} {
		if got := remote(token); got != want {
			t.Errorf("metrics from afar: %d, want %d", got, want)
		}
	}
	w.get("", "/metrics", "X-Forwarded-For", "192.0.2.1").problem(401, "unauthenticated", "")
}

// TestEveryKindHasAStatus: a kind of error that the mapper does not know would be
// a 500.
func TestEveryKindHasAStatus(t *testing.T) {
	s := &Server{}
	for kind, want := range statusOf {
		if kind == cloud.Internal {
			continue
		}
		a := s.problem(t.Context(), cloud.Errorf(kind, "x"))
		if a.Status != want || a.Code != string(kind) {
			t.Errorf("%s becomes %d %s", kind, a.Status, a.Code)
		}
		if retry := a.header.Get("Retry-After") != ""; retry != (want == 503 || want == 429) {
			t.Errorf("%s: Retry-After is %t", kind, retry)
		}
	}
}

func TestOperations(t *testing.T) {
	w := newWorld(t)
	ids := fixture(w)
	var o api.Operation
	a := w.post(w.admin, "/api/v1/machines", `{"account":"default","cloudspace":"default","name":"web-2","image":"disk","size":"tiny"}`, "Prefer", "wait=1")
	a.status(202)
	a.read(&o)
	if o.Kind != "machine.create" || o.State != "running" || a.Header.Get("Location") != "/api/v1/operations/"+o.ID {
		t.Errorf("answered %s", a.text)
	}
	var m api.Machine
	w.get(w.admin, "/api/v1/machines/web-2?account=default&cloudspace=default").read(&m)
	if m.ID != o.SubjectID || m.State != "creating" || m.OperationID != o.ID {
		t.Errorf("machine is %+v", m)
	}
	if p := w.post(w.admin, "/api/v1/machines/"+m.ID+"/start", nil).problem(409, "conflict", ""); p.State != "creating" {
		t.Errorf("the state is %q", p.State)
	}
	var plan api.Plan
	w.post(w.admin, "/api/v1/machines?dry_run=true", fmt.Sprintf(`{"cloudspace":%q,"name":"web-3","image":"disk","size":"tiny"}`, ids["cloudspace"])).read(&plan)
	if len(plan.Placement) != 1 || !plan.Placement[0].Chosen || len(plan.Quota) == 0 || len(plan.Steps) == 0 {
		t.Errorf("plan is %+v", plan)
	}
	w.post(w.admin, "/api/v1/operations/"+o.ID+"/cancel", nil).status(202)
	w.get(w.admin, "/api/v1/operations/"+o.ID).read(&o)
	if !o.CancelAsked {
		t.Errorf("operation is %+v", o)
	}
	limits := control.System("test")
	_, _, err := w.control.SetLimits(t.Context(), limits, cloud.Scope{Kind: cloud.KindAccount, ID: ids["account"]}, map[cloud.Resource]int64{cloud.ResourceMachines: 1})
	w.ok(err)
	w.post(w.admin, "/api/v1/machines", fmt.Sprintf(`{"cloudspace":%q,"name":"web-3","image":"disk","size":"tiny"}`, ids["cloudspace"])).problem(403, "quota", "")
}

// TestWaitOutlastsBodyTime: the limit of the body's time is none of the work's.
func TestWaitOutlastsBodyTime(t *testing.T) {
	w := newWorldWith(t, Config{BodyTime: 100 * time.Millisecond})
	w.node("node-1")
	for _, headers := range [][]string{nil, {"Idempotency-Key", "k"}} {
		headers = append(headers, "Prefer", "wait=1")
		began := time.Now()
		w.post(w.admin, "/api/v1/jobs", `{"action":"noop","node":"node-1"}`, headers...).status(201)
		if took := time.Since(began); took < time.Second {
			t.Errorf("waited %s, not a second", took)
		}
	}
}
