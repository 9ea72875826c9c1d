package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func eventView(e *cloud.Event) api.Event {
	return api.Event{
		ID: string(e.ID), Seq: e.Seq, At: e.At.Time(), Class: string(e.Class), Actor: e.Actor, ActorName: e.ActorName,
		Credential: e.Credential, RequestID: e.RequestID, Address: e.Address, AccountID: string(e.AccountID),
		CloudspaceID: string(e.CloudspaceID), ProjectID: string(e.ProjectID), SubjectKind: string(e.SubjectKind), SubjectID: e.SubjectID, SubjectName: e.SubjectName,
		Action: e.Action, Outcome: string(e.Outcome), Message: e.Message, Difference: e.Difference, Hash: e.Hash,
	}
}

func noticeView(n *control.Notice) api.Notice {
	v := api.Notice{
		Kind: string(n.Kind), ID: n.ID, AccountID: string(n.AccountID), SubjectKind: string(n.SubjectKind), SubjectID: n.SubjectID,
		OperationID: string(n.OperationID), State: n.State, Message: n.Message, Many: n.Many,
	}
	if n.Kind == cloud.KindOperation && !n.Many {
		v.Progress = &n.Progress
	}
	return v
}

const eventsPath = prefix + "/events"

func (s *Server) registerEvents() {
	op := get("/events", "list-events", "Events", "List events; as a WebSocket, follow them")
	op.Description = "With Upgrade: websocket the answer is a feed: each message is a FeedMessage. It goes on from the event after " +
		"?after=SEQ, or from now on without it. ?kind= and ?account= (repeatable) filter by the subject's kind and by account. " +
		"?notices=true adds changes of operations and jobs that are no events, such as progress: read the object anew. The first ones say that many " +
		"changed: from then on each change is told, or a later one of the same object, or again that many changed. " +
		"The feed ends when the credential holds no longer, and for readers that are too slow: go on with ?after=."
	add(s, op, s.eventList)
	verify := get("/events:verify", "verify-events", "Events", "Read the whole audit log and check that nothing in it was changed")
	verify.Description = "Each event holds the hash of the one before, so that none can be changed, removed or put in without a trace. " +
		"Whoever writes to the database can make the whole chain anew: compare the hash of an event with one that you kept."
	add(s, verify, s.eventVerify)
	s.registerEventExport()
}

func (s *Server) eventVerify(ctx context.Context, r *control.Request, _ *struct{}) (*body[api.EventVerification], error) {
	v, err := s.control.VerifyEvents(ctx, r)
	if err != nil {
		return nil, err
	}
	return &body[api.EventVerification]{Body: api.EventVerification(v)}, nil
}

// EventsOf narrows a list of events.
type EventsOf struct {
	Actor       string    `query:"actor" maxLength:"128" doc:"Who did it: id or name."`
	Action      string    `query:"action" maxLength:"64" doc:"What the action begins with." example:"machine."`
	Outcome     string    `query:"outcome" enum:"ok,refused,failed"`
	Class       string    `query:"class" enum:"api,operation,state,auth"`
	Subject     string    `query:"subject" format:"uuid" doc:"Id of what it is about."`
	SubjectKind string    `query:"subject_kind" maxLength:"32" example:"machine"`
	From        time.Time `query:"from" doc:"From this moment on." example:"2026-01-01T00:00:00Z"`
	To          time.Time `query:"to" doc:"Before this moment."`
}

func (in *EventsOf) query() control.EventQuery {
	return control.EventQuery{
		Actor: in.Actor, Action: in.Action, Outcome: cloud.Outcome(in.Outcome), Class: cloud.EventClass(in.Class),
		Subject: in.Subject, SubjectKind: cloud.Kind(in.SubjectKind), From: cloud.TimeOf(in.From), To: cloud.TimeOf(in.To),
	}
}

// eventList also declares the parameters of the feed.
type eventList struct {
	Listing
	EventsOf
	After   int64    `query:"after" doc:"Only of the feed: the number of the last event that was seen." minimum:"0"`
	Kind    []string `query:"kind,explode" doc:"Only of the feed: kinds of subjects."`
	Account []string `query:"account,explode" doc:"Only of the feed: ids or names of accounts."`
	Notices bool     `query:"notices" doc:"Only of the feed: also notices."`
}

func (s *Server) eventList(ctx context.Context, r *control.Request, in *eventList) (*page[api.Event], error) {
	for name, set := range map[string]bool{"after": in.After != 0, "kind": len(in.Kind) > 0, "account": len(in.Account) > 0, "notices": in.Notices} {
		if set {
			return nil, cloud.FieldErrorf(name, "is for the feed (a WebSocket); use filter and sort in the list")
		}
	}
	list, next, err := s.control.EventsOf(ctx, r, in.EventsOf.query(), in.Listing.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, eventView), nil
}

func isWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// feedOr takes the WebSockets at the path of events.
func (s *Server) feedOr(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == eventsPath && isWebSocket(r) {
			callOf(r.Context()).route = eventsPath
			s.feed(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// The pace of a feed.
const (
	feedPing = 20 * time.Second
)

// feed sends events as they come.
func (s *Server) feed(w http.ResponseWriter, r *http.Request) {
	following, err := s.feedInput(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	_, end, err := s.stream(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer end()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: s.hosts})
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	s.metrics.readers.Inc()
	defer s.metrics.readers.Dec()
	ctx := ws.CloseRead(r.Context()) // readers have nothing to say
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.draining, cancel)()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		s.ping(ctx, ws)
	}()
	following.Send = func(events []cloud.Event, notices []control.Notice) error {
		return s.sendNews(ctx, ws, events, notices)
	}
	following.Recheck = func(ctx context.Context) (*control.Request, error) { return s.recheck(ctx, r) }
	err = s.control.FollowEvents(ctx, callOf(r.Context()).request, following)
	switch {
	case s.draining.Err() != nil:
		ws.Close(websocket.StatusGoingAway, stopping) // the reader may be gone
	case err != nil && ctx.Err() == nil:
		s.endFeed(ctx, ws, err)
	}
	cancel()
	<-done
}

// feedInput reads what a feed is asked for.
func (s *Server) feedInput(r *http.Request) (f control.Following, err error) {
	q := r.URL.Query()
	f.After = -1
	if text := q.Get("after"); text != "" {
		if f.After, err = strconv.ParseInt(text, 10, 64); err != nil || f.After < 0 {
			return f, cloud.FieldErrorf("after", "%.40q is no number of an event", text)
		}
	}
	if text := q.Get("notices"); text != "" {
		if f.Notices, err = strconv.ParseBool(text); err != nil {
			return f, cloud.FieldErrorf("notices", "%.40q is neither true nor false", text)
		}
	}
	for key := range q {
		if !slices.Contains([]string{"after", "kind", "account", "notices"}, key) {
			return f, cloud.FieldErrorf(key, "is no query parameter of the feed; they are after, kind, account and notices")
		}
	}
	for _, k := range q["kind"] {
		f.Filter.Kinds = append(f.Filter.Kinds, cloud.Kind(k))
	}
	for _, ref := range q["account"] {
		id, err := s.accountID(r.Context(), callOf(r.Context()).request, ref)
		if err != nil {
			return f, err
		}
		f.Filter.Accounts = append(f.Filter.Accounts, id)
	}
	return f, nil
}

// recheck authenticates a feed's reader anew.
func (s *Server) recheck(ctx context.Context, r *http.Request) (*control.Request, error) {
	req, _, err := s.identify(r.WithContext(context.WithValue(ctx, callKey{}, callOf(r.Context()))))
	if err == nil && req == nil {
		err = cloud.Errorf(cloud.Unauthenticated, "the credential holds no longer")
	}
	return req, err
}

func (s *Server) sendNews(ctx context.Context, ws *websocket.Conn, events []cloud.Event, notices []control.Notice) error {
	for i := range events {
		v := eventView(&events[i])
		if err := s.sendFeed(ctx, ws, api.FeedMessage{Type: api.FeedEvent, Event: &v}); err != nil {
			return err
		}
	}
	for i := range notices {
		v := noticeView(&notices[i])
		if err := s.sendFeed(ctx, ws, api.FeedMessage{Type: api.FeedNotice, Notice: &v}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) sendFeed(ctx context.Context, ws *websocket.Conn, m api.FeedMessage) error {
	ctx, cancel := context.WithTimeout(ctx, s.ReaderTime)
	defer cancel()
	return wsjson.Write(ctx, ws, m)
}

// endFeed tells the reader why.
func (s *Server) endFeed(ctx context.Context, ws *websocket.Conn, err error) {
	var a *answer
	if !errors.As(s.failure(ctx, err), &a) {
		return
	}
	code := websocket.StatusInternalError
	if a.Status < 500 {
		code = websocket.StatusPolicyViolation
	}
	if s.sendFeed(ctx, ws, api.FeedMessage{Type: api.FeedEnd, Problem: &a.Problem}) == nil {
		ws.Close(code, a.Code) // the reader is gone if it fails
	}
}

// ping finds out that a reader is gone.
func (s *Server) ping(ctx context.Context, ws *websocket.Conn) {
	tick := time.NewTicker(feedPing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		wait, cancel := context.WithTimeout(ctx, s.ReaderTime)
		err := ws.Ping(wait)
		cancel()
		if err != nil {
			return
		}
	}
}
