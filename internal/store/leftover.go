package store

import (
	"atoll/internal/cloud"
)

var leftovers = table[cloud.Leftover]{
	kind: cloud.KindLeftover, name: "leftovers",
	cols: append([]string{"id", "node_id", "kind", "object_id", "account_id", "epoch", "reason", "job_id"}, metaCols...),
	ptrs: func(v *cloud.Leftover) []any {
		return append([]any{
			&v.ID, &v.NodeID, &v.Kind, &v.ObjectID, &v.AccountID, &v.Epoch, &v.Reason, &v.JobID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Leftover) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"node": "node_id", "kind": "kind"},
}

// CreateLeftover writes a new leftover.
func (tx *Tx) CreateLeftover(v *cloud.Leftover) error { return leftovers.insert(tx, v) }

// Leftover returns the leftover unless it is deleted.
func (tx *Tx) Leftover(id cloud.LeftoverID) (*cloud.Leftover, error) { return leftovers.live(tx, id) }

// UpdateLeftover writes the leftover back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateLeftover(v *cloud.Leftover) error { return leftovers.update(tx, v) }

// Leftovers returns a page of leftovers and the cursor of the next one.
func (tx *Tx) Leftovers(q Query) ([]cloud.Leftover, string, error) { return leftovers.list(tx, q) }

// LeftoversOn returns what the node still holds.
func (tx *Tx) LeftoversOn(node cloud.NodeID) ([]cloud.Leftover, error) {
	return leftovers.all(tx, "node_id = ? AND deleted_at = 0 ORDER BY id", node)
}

// LeftoverOf returns the leftover of an object on a node.
func (tx *Tx) LeftoverOf(node cloud.NodeID, kind cloud.LeftoverKind, object string) (*cloud.Leftover, error) {
	return leftovers.get(tx, object, "node_id = ? AND kind = ? AND object_id = ? AND deleted_at = 0", node, kind, object)
}
