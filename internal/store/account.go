package store

import (
	"atoll/internal/cloud"
)

var accounts = table[cloud.Account]{
	kind: cloud.KindAccount, name: "accounts",
	cols: append([]string{"id", "name", "description", "state"}, metaCols...),
	ptrs: func(v *cloud.Account) []any {
		return append([]any{
			&v.ID, &v.Name, &v.Description, &v.State,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Account) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "state": "state"},
	account: "id",
}

// CreateAccount writes a new account.
func (tx *Tx) CreateAccount(v *cloud.Account) error { return accounts.insert(tx, v) }

// Account returns the account unless it is deleted.
func (tx *Tx) Account(id cloud.AccountID) (*cloud.Account, error) { return accounts.live(tx, id) }

// UpdateAccount writes the account back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateAccount(v *cloud.Account) error { return accounts.update(tx, v) }

// Accounts returns a page of accounts and the cursor of the next one.
func (tx *Tx) Accounts(q Query) ([]cloud.Account, string, error) { return accounts.list(tx, q) }

// AccountNamed returns the account by its name.
func (tx *Tx) AccountNamed(name string) (*cloud.Account, error) {
	return accounts.get(tx, name, "name = ? AND deleted_at = 0", name)
}

// LockAccount makes other transactions that lock it wait for this one, so that
// nothing is made in an account while it is deleted, and two cannot each remove
// its last but one admin.
func (tx *Tx) LockAccount(id cloud.AccountID) error {
	_, err := tx.exec("UPDATE accounts SET version = version WHERE id = ?", id)
	return err
}
