package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"sync"

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

// once is the Idempotency-Key of a request; the zero value is none. The id is this
// request's own: callers choose request ids, and may choose one twice.
type once struct{ key, hash, id string }

// onces are the answers of this controller that are on their way into the store.
// A key is recorded in the same transaction as the change that it is for: what a
// killed controller had begun and not committed leaves nothing.
type onces struct {
	mu     sync.Mutex
	ending map[string]store.Idempotent // by user and key
	wait   sync.WaitGroup
}

// find returns the earlier request with the key, nil if there is none.
func (o *onces) find(tx *store.Tx, user cloud.UserID, key string) (*store.Idempotent, error) {
	o.mu.Lock()
	ending, ok := o.ending[string(user)+key]
	o.mu.Unlock()
	if ok {
		return &ending, nil
	}
	return tx.Idempotent(user, key)
}

// BeginOnce has the request's change recorded with the key. It returns the answer
// instead if an earlier request with the key was answered. Errors: Conflict if it
// was done and its answer is not known (yet); Invalid if it was another request
// (hash is of all that makes a request the same). Of two with one key at the same
// time, the change of the slower one is a Conflict.
func (c *Control) BeginOnce(ctx context.Context, r *Request, key, hash string) (*Answer, error) {
	if key == "" || len(key) > MaxIdempotencyKey {
		return nil, cloud.FieldErrorf("Idempotency-Key", "must have 1 to %d characters", MaxIdempotencyKey)
	}
	var before *store.Idempotent
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		before, err = c.onces.find(tx, r.User.ID, key)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case before == nil:
		r.once = once{key, hash, rand.Text()}
		return nil, nil
	case before.RequestHash != hash:
		return nil, cloud.FieldErrorf("Idempotency-Key", "was used for another request; use a fresh key for each")
	case before.Status != store.IdempotentMade:
		return &Answer{int(before.Status), before.Body}, nil
	}
	return nil, cloud.Errorf(cloud.Conflict, "the request with this Idempotency-Key was done, and its answer is not known; ask again in a moment, "+
		"or look at what it made before you send it with a fresh key: %s", cmp.Or(before.Body, "this is not known"))
}

// EndOnce keeps the answer of a request that succeeded for the next one with the
// key. It does not wait for the store.
func (c *Control) EndOnce(ctx context.Context, r *Request, a Answer) {
	id := string(r.User.ID) + r.once.key
	o := &c.onces
	o.mu.Lock()
	if o.ending == nil {
		o.ending = map[string]store.Idempotent{}
	}
	o.ending[id] = store.Idempotent{RequestHash: r.once.hash, Status: int64(a.Status), Body: a.Body}
	o.mu.Unlock()
	o.wait.Go(func() {
		err := c.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			return tx.FinishIdempotent(r.User.ID, r.once.key, r.once.hash, r.once.id, int64(a.Status), a.Body)
		})
		if err != nil {
			c.Log.Error("keep the answer to an Idempotency-Key", "request_id", r.ID, "err", err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.ending, id)
	})
}

// Settle waits until all answers are stored, and nothing that requests began runs
// any more. It is called when nobody sends requests, before the store is closed.
func (c *Control) Settle() {
	c.answers.end()
	c.onces.wait.Wait()
}

// markOnce records with the change of a request with an Idempotency-Key that it
// was made.
func (ch *change) markOnce() error {
	o := ch.r.once
	if o.key == "" {
		return nil
	}
	first, err := ch.MarkIdempotent(ch.r.User.ID, o.key, o.hash, o.id, ch.made)
	if err == nil && !first {
		err = cloud.Errorf(cloud.Conflict, "another request with this Idempotency-Key was done at the same time; ask again for its answer")
	}
	return err
}
