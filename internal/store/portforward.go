package store

import (
	"atoll/internal/cloud"
)

var portForwards = table[cloud.PortForward]{
	kind: cloud.KindPortForward, name: "port_forwards",
	cols: append([]string{"id", "account_id", "cloudspace_id", "machine_id", "node_id", "protocol", "public_port", "port", "state", "reason", "operation_id"}, metaCols...),
	ptrs: func(v *cloud.PortForward) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.CloudspaceID, &v.MachineID, &v.NodeID, &v.Protocol, &v.PublicPort, &v.Port,
			&v.State, &v.Reason, &v.OperationID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:       func(v *cloud.PortForward) *cloud.Meta { return &v.Meta },
	filters:    map[string]string{"state": "state", "protocol": "protocol", "account": "account_id", "cloudspace": "cloudspace_id", "machine": "machine_id", "node": "node_id"},
	account:    "account_id",
	cloudspace: "cloudspace_id",
	machine:    "machine_id",
}

// CreatePortForward writes a new port forward.
func (tx *Tx) CreatePortForward(v *cloud.PortForward) error { return portForwards.insert(tx, v) }

// PortForward returns the port forward unless it is deleted.
func (tx *Tx) PortForward(id cloud.PortForwardID) (*cloud.PortForward, error) {
	return portForwards.live(tx, id)
}

// UpdatePortForward writes the port forward back; Conflict if it was changed since it was read.
func (tx *Tx) UpdatePortForward(v *cloud.PortForward) error { return portForwards.update(tx, v) }

// PortForwards returns a page of port forwards and the cursor of the next one.
func (tx *Tx) PortForwards(q Query) ([]cloud.PortForward, string, error) {
	return portForwards.list(tx, q)
}

// PortForwardsIn returns the cloudspace's port forwards.
func (tx *Tx) PortForwardsIn(cloudspace cloud.CloudspaceID) ([]cloud.PortForward, error) {
	return portForwards.all(tx, "cloudspace_id = ? AND deleted_at = 0 ORDER BY id", cloudspace)
}

// PortForwardsOf returns the machine's port forwards.
func (tx *Tx) PortForwardsOf(machine cloud.MachineID) ([]cloud.PortForward, error) {
	return portForwards.all(tx, "machine_id = ? AND deleted_at = 0 ORDER BY id", machine)
}
