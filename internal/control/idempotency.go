package control

import (
	"cmp"
	"context"
	"slices"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// MaxIdempotencyKey is the longest Idempotency-Key in bytes.
const MaxIdempotencyKey = 200

// Answer is what a request with an Idempotency-Key was answered.
type Answer struct {
	Status int
	Body   string
}

// BeginOnce records that the caller's request with the key is under way, and has
// its changes recorded with it. It returns the answer instead if an earlier one
// with the key was answered. One whose controller was killed is begun anew if it
// had changed nothing. Errors: Conflict while the earlier one is under way, or if
// it was done and its answer is lost; Invalid if it was another request (hash is
// of all that makes a request the same).
func (c *Control) BeginOnce(ctx context.Context, r *Request, key, hash string) (*Answer, error) {
	if key == "" || len(key) > MaxIdempotencyKey {
		return nil, cloud.FieldErrorf("Idempotency-Key", "must have 1 to %d characters", MaxIdempotencyKey)
	}
	var before *store.Idempotent
	var live bool
	err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		before, err = tx.ReserveIdempotent(r.User.ID, key, hash, c.ID)
		if err != nil || before == nil || before.RequestHash != hash || before.Status > store.IdempotentMade {
			return err
		}
		if live, err = c.lives(tx, before.Owner); err != nil || live || before.Status == store.IdempotentMade {
			return err
		}
		live, err = tx.TakeIdempotent(r.User.ID, key, before.Owner, c.ID)
		if live { // it is this one's now; else another controller was faster
			before = nil
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case before == nil:
		r.once = key
		return nil, nil
	case before.RequestHash != hash:
		return nil, cloud.FieldErrorf("Idempotency-Key", "was used for another request; use a fresh key for each")
	case before.Status > store.IdempotentMade:
		return &Answer{int(before.Status), before.Body}, nil
	case before.Status == store.IdempotentMade && !live:
		return nil, cloud.Errorf(cloud.Conflict, "the request with this Idempotency-Key was begun and not answered; look at what it made before you send it with a fresh key: %s", cmp.Or(before.Body, "this is not known"))
	}
	return nil, cloud.Errorf(cloud.Conflict, "the request with this Idempotency-Key is under way; ask again when it has ended")
}

// EndOnce keeps the answer for the next request with the key. Status 0 forgets
// the key, so that a request that failed may be sent again, unless it had made
// something.
func (c *Control) EndOnce(ctx context.Context, r *Request, key string, a Answer) error {
	return c.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.FinishIdempotent(r.User.ID, key, c.ID, int64(a.Status), a.Body)
	})
}

// markOnce records with the change of a request with an Idempotency-Key that it
// was made. A controller that slept until another one took the request over
// changes nothing.
func (ch *change) markOnce() error {
	if ch.r.once == "" {
		return nil
	}
	mine, err := ch.MarkIdempotent(ch.r.User.ID, ch.r.once, ch.c.ID, ch.made)
	if err == nil && !mine {
		err = cloud.Errorf(cloud.Conflict, "another controller does the request with this Idempotency-Key now; ask again when it has ended")
	}
	return err
}

// lives reports whether a controller may still be at work. SQLite's file has one
// controller.
func (c *Control) lives(tx *store.Tx, id cloud.ControllerID) (bool, error) {
	if id == c.ID || !c.DB.Shared() {
		return id == c.ID, nil
	}
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	list, err := tx.ControllersSince(now.Add(-absentAfter))
	return slices.Contains(list, id), err
}
