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

// Events returns a page of the events that the caller may see: those of its
// accounts and cloudspaces; rows that belong to none are for the installation's
// staff. Sort by seq or -seq.
func (c *Control) Events(ctx context.Context, r *Request, q store.Query) (list []cloud.Event, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Events(r.query(cloud.KindEvent, q))
		return err
	})
	return list, next, err
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

// FollowEvents calls send with the events after the number as they come, until
// ctx ends (its error is nil then), send fails, or the reader's credential holds
// no longer: recheck authenticates it anew every few seconds, and its answer's
// rights count from then on. A negative number begins with what comes next.
func (c *Control) FollowEvents(ctx context.Context, r *Request, after int64, f EventFilter,
	send func([]cloud.Event) error, recheck func(ctx context.Context) (*Request, error),
) error {
	news, stop := c.feed.followEvents()
	defer stop()
	after, err := c.followFrom(ctx, after)
	if err != nil {
		return err
	}
	look, check := time.NewTicker(feedLook), time.NewTicker(c.Pace.Rights)
	defer look.Stop()
	defer check.Stop()
	again := func() (err error) {
		if r, err = recheck(ctx); ctx.Err() != nil {
			return nil
		}
		return err
	}
	for ctx.Err() == nil {
		list, next, err := c.EventsAfter(ctx, r, after, f, eventPage)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if len(list) > 0 {
			if err := send(list); err != nil {
				return err
			}
		}
		more := len(list) == eventPage
		after = next
		select { // also between full pages, which may go on for long
		case <-check.C:
			if err := again(); err != nil {
				return err
			}
		default:
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-look.C:
		case <-check.C:
			if err := again(); err != nil {
				return err
			}
		}
	}
	return nil
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
