package store

import (
	"atoll/internal/cloud"
)

var machines = table[cloud.Machine]{
	kind: cloud.KindMachine, name: "machines",
	cols: append([]string{"id", "account_id", "cloudspace_id", "name", "description", "state", "reason", "image_id", "size_id", "vcpus", "memory_mib", "disk_gib", "node_id", "placement_epoch", "desired_power", "observed_power", "observed_at", "run_strategy", "address", "mac", "ssh_keys", "user_data", "operation_id"}, metaCols...),
	ptrs: func(v *cloud.Machine) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.CloudspaceID, &v.Name, &v.Description, &v.State, &v.Reason, &v.ImageID,
			&v.SizeID, &v.VCPUs, &v.MemoryMiB, &v.DiskGiB, &v.NodeID, &v.PlacementEpoch, &v.DesiredPower,
			&v.ObservedPower, &v.ObservedAt, &v.RunStrategy, &v.Address, &v.MAC,
			asJSON{&v.SSHKeys},
			&v.UserData, &v.OperationID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:       func(v *cloud.Machine) *cloud.Meta { return &v.Meta },
	sorts:      map[string]string{"name": "name", "state": "state"},
	filters:    map[string]string{"name": "name", "state": "state", "account": "account_id", "cloudspace": "cloudspace_id", "node": "node_id", "image": "image_id"},
	wide:       "image_id",
	account:    "account_id",
	cloudspace: "cloudspace_id",
	machine:    "id",
}

// CreateMachine writes a new machine.
func (tx *Tx) CreateMachine(v *cloud.Machine) error { return machines.insert(tx, v) }

// Machine returns the machine unless it is deleted.
func (tx *Tx) Machine(id cloud.MachineID) (*cloud.Machine, error) { return machines.live(tx, id) }

// UpdateMachine writes the machine back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateMachine(v *cloud.Machine) error { return machines.update(tx, v) }

// Machines returns a page of machines and the cursor of the next one.
func (tx *Tx) Machines(q Query) ([]cloud.Machine, string, error) { return machines.list(tx, q) }

// MachineNamed returns the machine by its name in the cloudspace.
func (tx *Tx) MachineNamed(cloudspace cloud.CloudspaceID, name string) (*cloud.Machine, error) {
	return machines.get(tx, name, "cloudspace_id = ? AND name = ? AND deleted_at = 0", cloudspace, name)
}

// MachineEvenDeleted returns the machine, deleted or not.
func (tx *Tx) MachineEvenDeleted(id cloud.MachineID) (*cloud.Machine, error) {
	return machines.get(tx, id, "id = ?", id)
}

// MachinesOn returns the machines placed on the node.
func (tx *Tx) MachinesOn(node cloud.NodeID) ([]cloud.Machine, error) {
	return machines.all(tx, "node_id = ? AND deleted_at = 0 ORDER BY id", node)
}

// MachinesIn returns the machines of the cloudspace.
func (tx *Tx) MachinesIn(cloudspace cloud.CloudspaceID) ([]cloud.Machine, error) {
	return machines.all(tx, "cloudspace_id = ? AND deleted_at = 0 ORDER BY id", cloudspace)
}

// ObserveMachine records what the machine's node saw, without a new version:
// observation must not make a user's update conflict.
func (tx *Tx) ObserveMachine(id cloud.MachineID, power cloud.Power, at cloud.Time) error {
	_, err := tx.exec("UPDATE machines SET observed_power = ?, observed_at = ? WHERE id = ?", power, at, id)
	return err
}
