package store

import (
	"atoll/internal/cloud"
)

var tokens = table[cloud.Token]{
	kind: cloud.KindToken, name: "tokens",
	cols: append([]string{"id", "user_id", "name", "hash", "scope", "account_id", "expires_at", "last_used_at"}, metaCols...),
	ptrs: func(v *cloud.Token) []any {
		return append([]any{
			&v.ID, &v.UserID, &v.Name, &v.Hash, &v.Scope, &v.AccountID, &v.ExpiresAt, &v.LastUsedAt,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Token) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"name": "name", "user": "user_id", "account": "account_id"},
}

// CreateToken writes a new token.
func (tx *Tx) CreateToken(v *cloud.Token) error { return tokens.insert(tx, v) }

// Token returns the token unless it is deleted.
func (tx *Tx) Token(id cloud.TokenID) (*cloud.Token, error) { return tokens.live(tx, id) }

// UpdateToken writes the token back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateToken(v *cloud.Token) error { return tokens.update(tx, v) }

// TokensOf returns a page of a user's tokens.
func (tx *Tx) TokensOf(user cloud.UserID, q Query) ([]cloud.Token, string, error) {
	return tokens.list(tx, q.and("user_id = ?", user))
}

// TokenByHash returns the token with the secret's hash.
func (tx *Tx) TokenByHash(hash string) (*cloud.Token, error) {
	return tokens.get(tx, "(given)", "hash = ? AND deleted_at = 0", hash)
}

// TokenNamed returns the user's token by its name.
func (tx *Tx) TokenNamed(user cloud.UserID, name string) (*cloud.Token, error) {
	return tokens.get(tx, name, "user_id = ? AND name = ? AND deleted_at = 0", user, name)
}

// TouchToken records a use of the token, without a new version.
func (tx *Tx) TouchToken(id cloud.TokenID, at cloud.Time) error {
	_, err := tx.exec("UPDATE tokens SET last_used_at = ? WHERE id = ? AND last_used_at < ?", at, id, at)
	return err
}

// DeleteTokensOf deletes the tokens of a user that is deleted.
func (tx *Tx) DeleteTokensOf(user cloud.UserID) error {
	return tokens.deleteAll(tx, "user_id = ?", user)
}

// DeleteTokensFor deletes the tokens that are limited to an account that is deleted.
func (tx *Tx) DeleteTokensFor(account cloud.AccountID) error {
	return tokens.deleteAll(tx, "account_id = ?", account)
}

var sessions = table[cloud.Session]{
	kind: cloud.KindSession, name: "sessions",
	cols: append([]string{"id", "user_id", "hash", "csrf", "address", "user_agent", "expires_at", "provider"}, metaCols...),
	ptrs: func(v *cloud.Session) []any {
		return append([]any{
			&v.ID, &v.UserID, &v.Hash, &v.CSRF, &v.Address, &v.UserAgent, &v.ExpiresAt, &v.Provider,
		}, metaPtrs(&v.Meta)...)
	},
	meta: func(v *cloud.Session) *cloud.Meta { return &v.Meta },
}

// CreateSession writes a new session.
func (tx *Tx) CreateSession(v *cloud.Session) error { return sessions.insert(tx, v) }

// Session returns the session unless it is deleted.
func (tx *Tx) Session(id cloud.SessionID) (*cloud.Session, error) { return sessions.live(tx, id) }

// UpdateSession writes the session back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateSession(v *cloud.Session) error { return sessions.update(tx, v) }

// SessionByHash returns the session with the cookie's hash.
func (tx *Tx) SessionByHash(hash string) (*cloud.Session, error) {
	return sessions.get(tx, "(given)", "hash = ? AND deleted_at = 0", hash)
}

// SessionsOf returns a page of a user's sessions that have not expired.
func (tx *Tx) SessionsOf(user cloud.UserID, q Query) ([]cloud.Session, string, error) {
	now, err := tx.Now()
	if err != nil {
		return nil, "", err
	}
	return sessions.list(tx, q.and("user_id = ? AND expires_at > ?", user, now))
}

// EndSessionsOf ends all sessions of a user, at a change of password or when
// disabled, but the one to keep ("" for none).
func (tx *Tx) EndSessionsOf(user cloud.UserID, keep cloud.SessionID) error {
	return sessions.deleteAll(tx, "user_id = ? AND id <> ?", user, keep)
}
