package control

import (
	"context"
	"slices"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// EventFilter narrows what a reader may see anyhow; an empty list is no limit.
type EventFilter struct {
	Kinds    []cloud.Kind // of the subject
	Accounts []cloud.AccountID
}

func (f EventFilter) takes(e cloud.Event) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.SubjectKind)) &&
		(len(f.Accounts) == 0 || slices.Contains(f.Accounts, e.AccountID))
}

func (f EventFilter) takesNotice(n *Notice) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, n.Kind)) &&
		(n.Many || len(f.Accounts) == 0 || slices.Contains(f.Accounts, n.AccountID))
}

// EventQuery narrows a list of events; what is empty does not.
type EventQuery struct {
	Actor       string // a name, or an id
	Action      string // what the action begins with
	Outcome     cloud.Outcome
	Class       cloud.EventClass
	Subject     string // an id
	SubjectKind cloud.Kind
	From, To    cloud.Time // the first moment, and the first one after
}

// Events returns a page of the events that the caller may see: those of its
// accounts and cloudspaces; rows that belong to none are for the installation's
// staff. Sort by seq or -seq.
func (c *Control) Events(ctx context.Context, r *Request, q store.Query) (list []cloud.Event, next string, err error) {
	return c.EventsOf(ctx, r, EventQuery{}, q)
}

// EventsOf is Events of those that the query of events finds.
func (c *Control) EventsOf(ctx context.Context, r *Request, e EventQuery, q store.Query) (list []cloud.Event, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.EventsOf(store.EventQuery(e), r.query(cloud.KindEvent, q))
		return err
	})
	return list, next, err
}

// ExportEvents calls send with all events that the caller may see and the query
// finds, oldest first, a page at a time, up to the newest one there was when it
// began. It holds no transaction while send writes.
func (c *Control) ExportEvents(ctx context.Context, r *Request, e EventQuery, q store.Query, send func([]cloud.Event) error) error {
	var last int64
	if err := c.view(ctx, func(tx *store.Tx) (err error) { last, err = tx.LastEvent(); return err }); err != nil {
		return err
	}
	q.Sort, q.Limit, q.Cursor = "seq", eventPage, ""
	for {
		list, next, err := c.EventsOf(ctx, r, e, q)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(e cloud.Event) bool { return e.Seq > last }); i >= 0 {
			list, next = list[:i], ""
		}
		if err := send(list); err != nil || next == "" {
			return err
		}
		q.Cursor = next
	}
}

// eventPage is how many rows one look reads.
const eventPage = 500

// EventsAfter returns up to limit events (0 is eventPage) after the number that
// the caller may see and the filter takes, and the number to go on from.
func (c *Control) EventsAfter(ctx context.Context, r *Request, seq int64, f EventFilter, limit int) (list []cloud.Event, next int64, err error) {
	if limit <= 0 || limit > eventPage {
		limit = eventPage
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next = nil, seq
		last, err := tx.LastEvent()
		if err != nil {
			return err
		}
		for next < last && len(list) < limit {
			page, err := tx.EventsAfter(next, r.sees(cloud.KindEvent), eventPage)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				next = last // what is between, the caller may not see
			}
			for _, e := range page {
				if len(list) == limit {
					return nil
				}
				next = e.Seq
				if f.takes(e) {
					list = append(list, e)
				}
			}
		}
		return nil
	})
	return list, next, err
}

// feedLook is how often a live feed looks without a signal: another controller may
// number events.
const feedLook = time.Second

// Following is what a reader of the live feed asks for, and how it is served.
type Following struct {
	After   int64 // the number of the last event that was seen; negative begins with what comes next
	Filter  EventFilter
	Notices bool // also of changes that are no events
	// Send gets events, or notices. The feed goes on when it returns.
	Send func([]cloud.Event, []Notice) error
	// Recheck authenticates the reader anew.
	Recheck func(ctx context.Context) (*Request, error)
}

// FollowEvents sends the events after the number as they come, until ctx ends (its
// error is nil then), sending fails, or the reader's credential holds no longer:
// it is checked when any was taken, and every few seconds, and the rights that it
// has then count from then on. With notices it first sends that many objects changed, as anything may have
// before it listened, and then each change that is committed from then on, or a
// later one of the same object.
func (c *Control) FollowEvents(ctx context.Context, r *Request, f Following) error {
	news, stop := c.feed.followEvents()
	defer stop()
	revoked, stopRights := c.feed.followRights()
	defer stopRights()
	fo := &follower{Following: f, c: c, r: r}
	var changed <-chan struct{} // never, without notices
	if f.Notices {
		rd, forget := c.notices.follow(r, f.Filter)
		defer forget()
		fo.notices, changed = rd, rd.news
	}
	var err error
	if fo.After, err = c.followFrom(ctx, f.After); err != nil {
		return err
	}
	look, check := time.NewTicker(feedLook), time.NewTicker(c.Pace.Rights)
	defer look.Stop()
	defer check.Stop()
	for more := true; ctx.Err() == nil; {
		if more {
			more, err = fo.events(ctx)
		}
		if err == nil {
			err = fo.changes()
		}
		if err != nil {
			return ended(ctx, err)
		}
		if more {
			select { // full pages may go on for long
			case <-check.C:
				err = fo.again(ctx)
			case <-revoked:
				err = fo.again(ctx)
			default:
			}
		} else {
			select {
			case <-ctx.Done():
			case <-news:
				more = true
			case <-look.C:
				more = true
			case <-changed:
			case <-check.C:
				err = fo.again(ctx)
			case <-revoked:
				err = fo.again(ctx)
			}
		}
		if err != nil {
			return ended(ctx, err)
		}
	}
	return nil
}

// follower is one reader of the feed.
type follower struct {
	Following
	c       *Control
	r       *Request
	notices *noticeReader // nil without
}

// events sends a page of events; more says that there may be another one.
func (fo *follower) events(ctx context.Context) (more bool, err error) {
	list, next, err := fo.c.EventsAfter(ctx, fo.r, fo.After, fo.Filter, eventPage)
	if err != nil || ctx.Err() != nil {
		return false, err
	}
	if len(list) > 0 {
		err = fo.Send(list, nil)
	}
	fo.After = next
	return len(list) == eventPage, err
}

// changes sends the notices that wait.
func (fo *follower) changes() error {
	if fo.notices == nil {
		return nil
	}
	list := fo.notices.take(fo.r)
	if len(list) == 0 {
		return nil
	}
	return fo.Send(nil, list)
}

// Revocations returns a channel that gets a value when somebody's credential or
// role was taken, at whichever controller, and the function that ends it.
func (c *Control) Revocations() (<-chan struct{}, func()) { return c.feed.followRights() }

func (fo *follower) again(ctx context.Context) (err error) {
	fo.r, err = fo.Recheck(ctx)
	return err
}

// followFrom returns the number to follow from. NotFound says that events after
// it are kept no longer; from the beginning (0) means from the first one kept.
func (c *Control) followFrom(ctx context.Context, after int64) (from int64, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		if from = after; after < 0 {
			from, err = tx.LastEvent()
			return err
		}
		gone, _, err := tx.ForgottenEvents()
		if err == nil && after > 0 && after < gone {
			err = cloud.Errorf(cloud.NotFound, "events up to %d are kept no longer; read anew what you follow, then go on after %d", gone, gone)
		}
		return err
	})
	return from, err
}

// Verification is what VerifyEvents found.
type Verification struct {
	OK     bool
	Events int64  // how many rows were read
	Last   int64  // number of the last one that holds
	Hash   string // of that one
	Broken int64  // number where the chain breaks; 0 if it does not
	Reason string // what is wrong there
}

// VerifyEvents reads the whole audit log and checks that no row is missing,
// changed or out of order: numbers have no gap, and each row's hash is that of
// its content and of the row before.
func (c *Control) VerifyEvents(ctx context.Context, r *Request) (Verification, error) {
	var v Verification
	if !authz.SeesAll(r.User.Role, cloud.KindEvent) || r.Account != "" {
		return v, cloud.Errorf(cloud.Denied, "you may not verify the audit log; %s could", authz.WhoCould(authz.Read, cloud.KindInstallation))
	}
	prev := ""
	for {
		var page []cloud.Event
		err := c.view(ctx, func(tx *store.Tx) (err error) {
			gone, hash, err := tx.ForgottenEvents()
			if err != nil {
				return err
			}
			if gone > v.Last { // the chain begins with what was removed last
				v.Last, prev = gone, hash
			}
			page, err = tx.EventsAfter(v.Last, store.Everything, eventPage)
			return err
		})
		if err != nil {
			return v, err
		}
		if len(page) == 0 {
			v.OK = true
			return v, nil
		}
		for i := range page {
			e := &page[i]
			v.Events++
			switch {
			case e.Seq != v.Last+1:
				v.Broken, v.Reason = v.Last+1, "the row is missing"
			case e.PrevHash != prev:
				v.Broken, v.Reason = e.Seq, "the row does not follow the one before: one of them was replaced"
			case e.Hash != store.EventHash(e):
				v.Broken, v.Reason = e.Seq, "the row was changed after it was written"
			}
			if v.Broken != 0 {
				return v, nil
			}
			v.Last, v.Hash, prev = e.Seq, e.Hash, e.Hash
		}
	}
}
