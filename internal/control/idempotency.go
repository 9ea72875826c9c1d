package control

import (
	"context"

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

// BeginOnce records that the caller's request with the key is under way. It
// returns the answer instead if an earlier one with the key was answered. Errors:
// Conflict while the earlier one is under way, Invalid if it was another request
// (hash is of all that makes a request the same).
func (c *Control) BeginOnce(ctx context.Context, r *Request, key, hash string) (*Answer, error) {
	if key == "" || len(key) > MaxIdempotencyKey {
		return nil, cloud.FieldErrorf("Idempotency-Key", "must have 1 to %d characters", MaxIdempotencyKey)
	}
	var before *store.Idempotent
	err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		before, err = tx.ReserveIdempotent(r.User.ID, key, hash)
		return err
	})
	switch {
	case err != nil || before == nil:
		return nil, err
	case before.RequestHash != hash:
		return nil, cloud.FieldErrorf("Idempotency-Key", "was used for another request; use a fresh key for each")
	case before.Status == 0:
		return nil, cloud.Errorf(cloud.Conflict, "the request with this Idempotency-Key is under way; ask again when it has ended")
	}
	return &Answer{int(before.Status), before.Body}, nil
}

// EndOnce keeps the answer for the next request with the key. Status 0 forgets
// the key, so that a request that failed may be sent again.
func (c *Control) EndOnce(ctx context.Context, r *Request, key string, a Answer) error {
	return c.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.FinishIdempotent(r.User.ID, key, int64(a.Status), a.Body)
	})
}
