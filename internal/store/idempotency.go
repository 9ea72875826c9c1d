package store

import "atoll/internal/cloud"

// Idempotent is a request with an Idempotency-Key.
type Idempotent struct {
	RequestHash string
	Status      int64              // of the answer, or one of the two below
	Body        string             // of the answer; with IdempotentMade what was made
	Owner       cloud.ControllerID // who does it, "" if nobody does any more
}

// What a request with an Idempotency-Key has before it is answered.
const (
	IdempotentBegun = 0 // nothing was changed yet
	IdempotentMade  = 1 // what it changes is committed, at least in part
)

// ReserveIdempotent records that the controller does the request with the key.
// It returns the row of an earlier one instead, if there is one.
func (tx *Tx) ReserveIdempotent(user cloud.UserID, key, requestHash string, owner cloud.ControllerID) (*Idempotent, error) {
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	n, err := tx.exec(`INSERT INTO idempotency_keys (user_id, key, request_hash, status, body, created_at, owner) VALUES (?, ?, ?, 0, '', ?, ?)
		ON CONFLICT DO NOTHING`, user, key, requestHash, now, owner)
	if err != nil || n == 1 {
		return nil, err
	}
	var i Idempotent
	err = tx.queryRow("SELECT request_hash, status, body, owner FROM idempotency_keys WHERE user_id = ? AND key = ?", user, key).
		Scan(&i.RequestHash, &i.Status, &i.Body, &i.Owner)
	return &i, tx.d.translate(err)
}

// TakeIdempotent gives a request that changed nothing yet from one controller to
// another and reports whether it did.
func (tx *Tx) TakeIdempotent(user cloud.UserID, key string, from, to cloud.ControllerID) (bool, error) {
	n, err := tx.exec("UPDATE idempotency_keys SET owner = ? WHERE user_id = ? AND key = ? AND owner = ? AND status = 0", to, user, key, from)
	return n == 1, err
}

// MarkIdempotent records, in the transaction that makes it, what a request made.
// It reports false if the request is another controller's meanwhile: then
// nothing may be made.
func (tx *Tx) MarkIdempotent(user cloud.UserID, key string, owner cloud.ControllerID, made string) (bool, error) {
	n, err := tx.exec("UPDATE idempotency_keys SET status = 1, body = ? WHERE user_id = ? AND key = ? AND owner = ? AND status IN (0, 1)",
		made, user, key, owner)
	return n == 1, err
}

// FinishIdempotent stores the answer of the owner's request. Status 0 is for one
// that failed: it forgets the key, so that the request may be sent again, unless
// something was made.
func (tx *Tx) FinishIdempotent(user cloud.UserID, key string, owner cloud.ControllerID, status int64, body string) error {
	if status != 0 {
		_, err := tx.exec("UPDATE idempotency_keys SET status = ?, body = ? WHERE user_id = ? AND key = ? AND owner = ?", status, body, user, key, owner)
		return err
	}
	if _, err := tx.exec("DELETE FROM idempotency_keys WHERE user_id = ? AND key = ? AND owner = ? AND status = 0", user, key, owner); err != nil {
		return err
	}
	_, err := tx.exec("UPDATE idempotency_keys SET owner = '' WHERE user_id = ? AND key = ? AND owner = ?", user, key, owner)
	return err
}
