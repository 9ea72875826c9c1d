package store

import (
	"database/sql"
	"errors"

	"atoll/internal/cloud"
)

// Idempotent is a request with an Idempotency-Key whose change is committed.
type Idempotent struct {
	RequestHash string
	Status      int64  // of the answer, or IdempotentMade
	Body        string // of the answer; with IdempotentMade what was made
}

// IdempotentMade is the status of a request that is not answered yet, or whose
// answer was lost with its controller.
const IdempotentMade = 1

// Idempotent returns the request that was done with the key, nil if there is none.
func (tx *Tx) Idempotent(user cloud.UserID, key string) (*Idempotent, error) {
	var i Idempotent
	err := tx.queryRow("SELECT request_hash, status, body FROM idempotency_keys WHERE user_id = ? AND key = ?", user, key).
		Scan(&i.RequestHash, &i.Status, &i.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &i, tx.d.translate(err)
}

// MarkIdempotent records, in the transaction that makes it, what the request with
// the id made. It reports false if another request with the key was faster: then
// nothing may be made.
func (tx *Tx) MarkIdempotent(user cloud.UserID, key, requestHash, request, made string) (bool, error) {
	return tx.keepIdempotent(user, key, requestHash, request, IdempotentMade, made)
}

// FinishIdempotent stores the request's answer.
func (tx *Tx) FinishIdempotent(user cloud.UserID, key, requestHash, request string, status int64, body string) error {
	_, err := tx.keepIdempotent(user, key, requestHash, request, status, body)
	return err
}

func (tx *Tx) keepIdempotent(user cloud.UserID, key, requestHash, request string, status int64, body string) (bool, error) {
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	n, err := tx.exec(`INSERT INTO idempotency_keys (user_id, key, request_hash, owner, status, body, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id, key) DO UPDATE SET status = excluded.status, body = excluded.body
		WHERE idempotency_keys.owner = excluded.owner`, user, key, requestHash, request, status, body, now)
	return n == 1, err
}
