package rest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// follow opens a feed.
func (w *world) follow(token, query string) *websocket.Conn {
	w.t.Helper()
	ws, res, err := w.dial(token, query)
	if err != nil {
		w.t.Fatalf("open the feed: %v (%v)", err, res)
	}
	return ws
}

func (w *world) dial(token, query string, headers ...string) (*websocket.Conn, *http.Response, error) {
	h := http.Header{"Authorization": {"Bearer " + token}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ws, res, err := websocket.Dial(w.t.Context(), w.server.URL+"/api/v1/events"+query, &websocket.DialOptions{HTTPHeader: h})
	if err == nil {
		w.t.Cleanup(func() { ws.CloseNow() })
	}
	return ws, res, err
}

// next reads a message of the feed.
func (w *world) next(ws *websocket.Conn) api.FeedMessage {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	var m api.FeedMessage
	if err := wsjson.Read(ctx, ws, &m); err != nil {
		w.t.Fatalf("read the feed: %v", err)
	}
	return m
}

// nextOf reads until an event has the action.
func (w *world) nextOf(ws *websocket.Conn, action string) *api.Event {
	w.t.Helper()
	for {
		m := w.next(ws)
		if m.Type != api.FeedEvent {
			w.t.Fatalf("the feed says %+v, want an event %s", m, action)
		}
		if m.Event.Action == action {
			return m.Event
		}
	}
}

func TestFeed(t *testing.T) {
	w := newWorld(t)
	tenant := w.user("tenant", "", cloud.ScopeReader)
	all, own := w.follow(w.admin, "?after=0"), w.follow(tenant, "?after=0&kind=ssh-key")
	w.post(w.admin, "/api/v1/accounts", `{"name":"acme"}`).status(201)
	w.post(w.admin, "/api/v1/ssh-keys", `{"account":"acme","name":"hidden","public_key":"`+testKey+`"}`).status(201)
	w.post(w.admin, "/api/v1/ssh-keys", `{"account":"default","name":"shown","public_key":"`+testKey+`"}`).status(201)
	e := w.nextOf(all, "account.create")
	if e.SubjectName != "acme" && e.SubjectName != "default" {
		t.Errorf("event is %+v", e)
	}
	if e := w.nextOf(all, "ssh-key.create"); e.SubjectName != "hidden" || e.ActorName != "admin" || e.Hash == "" {
		t.Errorf("event is %+v", e)
	}
	seen := w.next(own).Event
	if seen.SubjectName != "shown" || seen.AccountID != string(w.account.ID) {
		t.Errorf("the tenant sees %+v first", seen)
	}
	// Resume from where one was.
	w.do(w.admin, "DELETE", "/api/v1/ssh-keys/shown?account=default", nil).status(204)
	if e := w.nextOf(w.follow(tenant, "?kind=ssh-key&after="+itoa(seen.Seq)), "ssh-key.delete"); e.Seq <= seen.Seq {
		t.Errorf("resumed at %d, after %d", e.Seq, seen.Seq)
	}
	// The same path is a list.
	var p api.Page[api.Event]
	w.get(tenant, "/api/v1/events?sort=-seq&limit=1").read(&p)
	if len(p.Items) != 1 || p.Items[0].Action != "ssh-key.delete" || p.Next == "" {
		t.Errorf("listed %+v", p)
	}
}

func TestFeedEndsOnRevocation(t *testing.T) {
	w := newWorld(t)
	tenant := w.user("tenant", "", cloud.ScopeReader)
	ws := w.follow(tenant, "")
	w.do(w.admin, "DELETE", "/api/v1/tokens/test?user=tenant", nil).status(204)
	m := w.next(ws)
	for m.Type == api.FeedEvent { // what was numbered after the feed began
		m = w.next(ws)
	}
	if m.Type != api.FeedEnd || m.Problem == nil || m.Problem.Code != "unauthenticated" {
		t.Errorf("the feed says %+v", m)
	}
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the feed ends with %v", err)
	}
	w.eventually("the end of the reader", func() bool { return strings.Contains(w.get("", "/metrics").text, "atoll_event_readers 0") })
}

func TestFeedRefused(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]int{"?after=x": 422, "?colour=red": 422, "?account=nobody": 404, "?after=-1": 422} {
		if _, res, err := w.dial(w.admin, query); err == nil || res == nil || res.StatusCode != want {
			t.Errorf("%s: %v, want status %d", query, res, want)
		}
	}
	if _, res, err := w.dial("atoll_wrong", ""); err == nil || res.StatusCode != 401 {
		t.Errorf("without a credential: %v", err)
	}
	if _, res, err := w.dial(w.admin, "", "Origin", "http://evil.test"); err == nil || res.StatusCode != 403 {
		t.Errorf("from another origin: %v %v", res, err)
	}
	w.get(w.admin, "/api/v1/events?after=1").problem(422, "invalid", "after")
}

// noticed reads until a notice that the condition takes; events are passed over.
func (w *world) noticed(ws *websocket.Conn, want func(api.Notice) bool) (seen []api.Notice) {
	w.t.Helper()
	for {
		m := w.next(ws)
		if m.Type == api.FeedEnd {
			w.t.Fatalf("the feed says %+v", m)
		}
		if m.Type != api.FeedNotice {
			continue
		}
		if seen = append(seen, *m.Notice); want(*m.Notice) {
			return seen
		}
	}
}

// begun reads the notices with which a feed begins.
func (w *world) begun(ws *websocket.Conn) {
	w.t.Helper()
	w.noticed(ws, func(n api.Notice) bool { return n.Many && n.Kind == "operation" })
	w.noticed(ws, func(n api.Notice) bool { return n.Many && n.Kind == "job" })
}

func TestNotices(t *testing.T) {
	w := newWorld(t)
	ids := fixture(w)
	tenant := w.user("tenant", "", cloud.ScopeReader)
	neighbour, _ := w.neighbours()
	account, err := w.control.Account(t.Context(), w.root, "other")
	w.ok(err)
	own, other := w.follow(tenant, "?notices=true"), w.follow(neighbour, "?notices=1")
	w.begun(own)
	w.begun(other)
	w.post(w.admin, "/api/v1/operations/"+ids["operation"]+"/cancel", nil).status(202)
	seen := w.noticed(own, func(n api.Notice) bool { return n.ID == ids["operation"] })
	last := seen[len(seen)-1]
	if last.Kind != "operation" || last.SubjectID != ids["machine"] || last.AccountID != ids["account"] || last.State == "" || last.Progress == nil {
		t.Errorf("the tenant is told %+v", last)
	}
	// The first thing that the neighbour is told is about its own.
	marker := &cloud.Job{ID: cloud.NewID[cloud.JobID](), Action: cloud.ActionNoop, TargetRole: cloud.RoleStorage, AccountID: account.ID, Key: "marker"}
	w.ok(w.control.DB.Update(t.Context(), func(tx *store.Tx) error { return w.control.Queue().Add(tx, marker) }))
	seen = w.noticed(other, func(n api.Notice) bool { return n.ID == string(marker.ID) })
	if len(seen) != 1 || seen[0].State != "queued" || seen[0].Progress != nil {
		t.Errorf("the neighbour is told %+v", seen)
	}
}

// TestNoticesToASlowReader: 10,000 changes that a reader does not take are few
// messages.
func TestNoticesToASlowReader(t *testing.T) {
	w := newWorld(t)
	w.node("node-1")
	ws := w.follow(w.admin, "?notices=true&kind=job")
	for range 10 {
		w.post(w.admin, "/api/v1/jobs:batch", batchOf(1000, "node-1")).status(201)
	}
	var seen []api.Notice
	for told := false; !told; { // as long as many jobs are told, one of them stays unnamed
		var one api.Job
		w.post(w.admin, "/api/v1/jobs", `{"action":"noop","node":"node-1","key":"one"}`).read(&one)
		seen = append(seen, w.noticed(ws, func(n api.Notice) bool { told = n.ID == one.ID; return told || n.Many })...)
	}
	many := 0
	for _, n := range seen {
		if n.Many {
			many++
		}
	}
	if many < 2 || len(seen) > 1500 {
		t.Errorf("%d notices, of them %d of many", len(seen), many)
	}
}
