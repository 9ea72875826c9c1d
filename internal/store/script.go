package store

import (
	"atoll/internal/cloud"
)

var scripts = table[cloud.Script]{
	kind: cloud.KindScript, name: "scripts",
	cols: append([]string{"id", "account_id", "name", "revision", "current", "sha256", "size", "signature", "header"}, metaCols...),
	ptrs: func(v *cloud.Script) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.Name, &v.Revision, &v.Current, &v.SHA256, &v.Size, &v.Signature,
			asJSON{&v.Header},
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Script) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"name": "name", "account": "account_id"},
	account: "account_id",
}

// CreateScript writes a new script.
func (tx *Tx) CreateScript(v *cloud.Script) error { return scripts.insert(tx, v) }

// Script returns the script unless it is deleted.
func (tx *Tx) Script(id cloud.ScriptID) (*cloud.Script, error) { return scripts.live(tx, id) }

// UpdateScript writes the script back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateScript(v *cloud.Script) error { return scripts.update(tx, v) }

// Scripts returns a page of the current revisions.
func (tx *Tx) Scripts(q Query) ([]cloud.Script, string, error) {
	return scripts.list(tx, q.and("current"))
}

// ScriptNamed returns the current revision of the script; with an account the
// account's own is preferred to the installation's.
func (tx *Tx) ScriptNamed(account cloud.AccountID, name string) (*cloud.Script, error) {
	return scripts.get(tx, name, "account_id IN (?, '') AND name = ? AND current AND deleted_at = 0 ORDER BY account_id DESC LIMIT 1", account, name)
}

// ScriptRevisions returns all revisions of a script, the newest first.
func (tx *Tx) ScriptRevisions(account cloud.AccountID, name string) ([]cloud.Script, error) {
	return scripts.all(tx, "account_id = ? AND name = ? AND deleted_at = 0 ORDER BY revision DESC", account, name)
}

// AnyScript returns the revision, deleted or not: jobs may still refer to it.
func (tx *Tx) AnyScript(id cloud.ScriptID) (*cloud.Script, error) {
	return scripts.get(tx, id, "id = ?", id)
}
