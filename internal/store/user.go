package store

import (
	"atoll/internal/cloud"
)

var users = table[cloud.User]{
	kind: cloud.KindUser, name: "users",
	cols: append([]string{"id", "name", "email", "full_name", "account_id", "role", "password_hash", "setup_hash", "setup_expires", "disabled", "failed_logins", "locked_until", "last_login_at", "totp_secret", "totp_pending", "totp_step", "recovery_codes", "issuer", "subject"}, metaCols...),
	ptrs: func(v *cloud.User) []any {
		return append([]any{
			&v.ID, &v.Name, &v.Email, &v.FullName, &v.AccountID, &v.Role, &v.PasswordHash, &v.SetupHash,
			&v.SetupExpires, &v.Disabled, &v.FailedLogins, &v.LockedUntil, &v.LastLoginAt, &v.TOTPSecret, &v.TOTPPending, &v.TOTPStep,
			asJSON{&v.RecoveryCodes},
			&v.Issuer, &v.Subject,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.User) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"name": "name", "email": "email", "role": "role", "account": "account_id"},
	account: "account_id",
}

// CreateUser writes a new user.
func (tx *Tx) CreateUser(v *cloud.User) error { return users.insert(tx, v) }

// User returns the user unless it is deleted.
func (tx *Tx) User(id cloud.UserID) (*cloud.User, error) { return users.live(tx, id) }

// UpdateUser writes the user back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateUser(v *cloud.User) error { return users.update(tx, v) }

// People returns a page of the users that are persons.
func (tx *Tx) People(q Query) ([]cloud.User, string, error) {
	return users.list(tx, q.and("account_id = ''"))
}

// ServiceAccounts returns a page of service accounts.
func (tx *Tx) ServiceAccounts(q Query) ([]cloud.User, string, error) {
	return users.list(tx, q.and("account_id <> ''"))
}

// UserNamed returns the person, or with an account the service account, by name.
func (tx *Tx) UserNamed(account cloud.AccountID, name string) (*cloud.User, error) {
	return users.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// UserBySetup returns the user with a one-time set-up link.
func (tx *Tx) UserBySetup(hash string) (*cloud.User, error) {
	return users.get(tx, "(given)", "setup_hash = ? AND setup_hash <> '' AND deleted_at = 0", hash)
}

// UserOfIdentity returns the user that is linked to the account at the identity provider.
func (tx *Tx) UserOfIdentity(issuer, subject string) (*cloud.User, error) {
	return users.get(tx, "(given)", "issuer = ? AND subject = ? AND issuer <> '' AND deleted_at = 0", issuer, subject)
}

// PeopleWithEmail returns the first few persons with the address, in any spelling
// of capitals.
func (tx *Tx) PeopleWithEmail(email string) ([]cloud.User, error) {
	return users.all(tx, "account_id = '' AND email <> '' AND lower(email) = lower(?) AND deleted_at = 0 ORDER BY id LIMIT 3", email)
}

// LockAdmins makes other transactions that lock them wait for this one, so that
// two cannot each remove the last but one administrator.
func (tx *Tx) LockAdmins() error {
	_, err := tx.exec("UPDATE users SET version = version WHERE account_id = '' AND role = ? AND deleted_at = 0", cloud.InstallationAdmin)
	return err
}

// LoginFailed counts a failed login and returns how many there were in a row.
// None of the records of logins makes a new version: a guesser must not make a
// user's own change conflict.
func (tx *Tx) LoginFailed(id cloud.UserID) (n int64, err error) {
	err = tx.queryRow("UPDATE users SET failed_logins = failed_logins + 1 WHERE id = ? RETURNING failed_logins", id).Scan(&n)
	return n, tx.d.translate(err)
}

// LockUser refuses logins of the user until the time.
func (tx *Tx) LockUser(id cloud.UserID, until cloud.Time) error {
	_, err := tx.exec("UPDATE users SET locked_until = ? WHERE id = ?", until, id)
	return err
}

// LoggedIn records a login and forgets the failures before it.
func (tx *Tx) LoggedIn(id cloud.UserID, at cloud.Time) error {
	_, err := tx.exec("UPDATE users SET failed_logins = 0, locked_until = 0, last_login_at = ? WHERE id = ?", at, id)
	return err
}

// SetFailedLogins sets how many logins failed in a row.
func (tx *Tx) SetFailedLogins(id cloud.UserID, n int64) error {
	_, err := tx.exec("UPDATE users SET failed_logins = ? WHERE id = ?", n, id)
	return err
}

// UsedCode writes what the use of a code leaves: the step and the recovery codes
// that hold still. It makes a new version, unlike other records of logins: nobody
// who read the row before may write the old ones back.
func (tx *Tx) UsedCode(u *cloud.User) error {
	codes, err := values([]any{asJSON{&u.RecoveryCodes}})
	if err != nil {
		return err
	}
	n, err := tx.exec("UPDATE users SET totp_step = ?, recovery_codes = ?, version = version + 1 WHERE id = ? AND version = ?", u.TOTPStep, codes[0], u.ID, u.Version)
	if err == nil && n == 0 {
		err = cloud.Wrap(cloud.Conflict, ErrChanged, "user %s was changed meanwhile; try again", u.Name)
	}
	if err == nil {
		u.Version++
	}
	return err
}
