package store

import "atoll/internal/cloud"

// UseState records that the sign-in with the state came back; false says that it
// did already.
func (tx *Tx) UseState(hash string) (first bool, err error) {
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	n, err := tx.exec("INSERT INTO used_states (hash, used_at) VALUES (?, ?) ON CONFLICT DO NOTHING", hash, now)
	return n == 1, err
}

// ForgetStates removes what UseState recorded before the time.
func (tx *Tx) ForgetStates(before cloud.Time, limit int) (int, error) {
	return tx.forget("used_states", "hash", "SELECT hash FROM used_states WHERE used_at < ? ORDER BY used_at LIMIT ?", before, limit)
}
