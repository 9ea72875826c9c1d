package store

import (
	"atoll/internal/cloud"
)

var sshKeys = table[cloud.SSHKey]{
	kind: cloud.KindSSHKey, name: "ssh_keys",
	cols: append([]string{"id", "account_id", "name", "public_key", "fingerprint"}, metaCols...),
	ptrs: func(v *cloud.SSHKey) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.Name, &v.PublicKey, &v.Fingerprint,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.SSHKey) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "account": "account_id"},
	account: "account_id",
}

// CreateSSHKey writes a new ssh key.
func (tx *Tx) CreateSSHKey(v *cloud.SSHKey) error { return sshKeys.insert(tx, v) }

// SSHKey returns the ssh key unless it is deleted.
func (tx *Tx) SSHKey(id cloud.SSHKeyID) (*cloud.SSHKey, error) { return sshKeys.live(tx, id) }

// UpdateSSHKey writes the ssh key back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateSSHKey(v *cloud.SSHKey) error { return sshKeys.update(tx, v) }

// SSHKeys returns a page of ssh keys and the cursor of the next one.
func (tx *Tx) SSHKeys(q Query) ([]cloud.SSHKey, string, error) { return sshKeys.list(tx, q) }

// SSHKeyNamed returns the ssh key by its name in the account.
func (tx *Tx) SSHKeyNamed(account cloud.AccountID, name string) (*cloud.SSHKey, error) {
	return sshKeys.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// DeleteSSHKeysIn deletes the ssh keys of an account that is deleted.
func (tx *Tx) DeleteSSHKeysIn(account cloud.AccountID) error {
	return sshKeys.deleteAll(tx, "account_id = ?", account)
}
