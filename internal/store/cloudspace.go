package store

import (
	"atoll/internal/cloud"
)

var cloudspaces = table[cloud.Cloudspace]{
	kind: cloud.KindCloudspace, name: "cloudspaces",
	cols: append([]string{"id", "account_id", "location_id", "name", "state", "reason", "network", "network_num", "node_id", "network_generation", "operation_id"}, metaCols...),
	ptrs: func(v *cloud.Cloudspace) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.LocationID, &v.Name, &v.State, &v.Reason, &v.Network, &v.NetworkNum,
			&v.NodeID, &v.NetworkGeneration, &v.OperationID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:       func(v *cloud.Cloudspace) *cloud.Meta { return &v.Meta },
	sorts:      map[string]string{"name": "name"},
	filters:    map[string]string{"name": "name", "state": "state", "account": "account_id", "location": "location_id"},
	account:    "account_id",
	cloudspace: "id",
}

// CreateCloudspace writes a new cloudspace.
func (tx *Tx) CreateCloudspace(v *cloud.Cloudspace) error { return cloudspaces.insert(tx, v) }

// Cloudspace returns the cloudspace unless it is deleted.
func (tx *Tx) Cloudspace(id cloud.CloudspaceID) (*cloud.Cloudspace, error) {
	return cloudspaces.live(tx, id)
}

// UpdateCloudspace writes the cloudspace back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateCloudspace(v *cloud.Cloudspace) error { return cloudspaces.update(tx, v) }

// Cloudspaces returns a page of cloudspaces and the cursor of the next one.
func (tx *Tx) Cloudspaces(q Query) ([]cloud.Cloudspace, string, error) {
	return cloudspaces.list(tx, q)
}

// CloudspaceNamed returns the cloudspace by its name in the account.
func (tx *Tx) CloudspaceNamed(account cloud.AccountID, name string) (*cloud.Cloudspace, error) {
	return cloudspaces.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// CloudspacesOn returns the cloudspaces whose gateway is on the node.
func (tx *Tx) CloudspacesOn(node cloud.NodeID) ([]cloud.Cloudspace, error) {
	return cloudspaces.all(tx, "node_id = ? AND deleted_at = 0 ORDER BY id", node)
}

// LockCloudspace makes other transactions that lock it wait for this one, so
// that addresses and network generations are given out one at a time.
func (tx *Tx) LockCloudspace(id cloud.CloudspaceID) error {
	_, err := tx.exec("UPDATE cloudspaces SET version = version WHERE id = ?", id)
	return err
}

// CloudspaceEvenDeleted returns the cloudspace, deleted or not: nodes may still
// hold its network.
func (tx *Tx) CloudspaceEvenDeleted(id cloud.CloudspaceID) (*cloud.Cloudspace, error) {
	return cloudspaces.get(tx, id, "id = ?", id)
}
