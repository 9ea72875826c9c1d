package store

import "atoll/internal/cloud"

// ForgetSessions removes sessions that ended before the time.
func (tx *Tx) ForgetSessions(before cloud.Time) error {
	_, err := tx.exec("DELETE FROM sessions WHERE expires_at < ? OR deleted_at > 0 AND deleted_at < ?", before, before)
	return err
}

// ForgetTokens removes tokens that expired or were deleted before the time.
func (tx *Tx) ForgetTokens(before cloud.Time) error {
	_, err := tx.exec("DELETE FROM tokens WHERE expires_at > 0 AND expires_at < ? OR deleted_at > 0 AND deleted_at < ?", before, before)
	return err
}
