package store

import (
	"atoll/internal/cloud"
)

var disks = table[cloud.Disk]{
	kind: cloud.KindDisk, name: "disks",
	cols: append([]string{"id", "account_id", "cloudspace_id", "machine_id", "node_id", "name", "state", "reason", "size_gib", "image_id", "boot", "operation_id"}, metaCols...),
	ptrs: func(v *cloud.Disk) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.CloudspaceID, &v.MachineID, &v.NodeID, &v.Name, &v.State, &v.Reason,
			&v.SizeGiB, &v.ImageID, &v.Boot, &v.OperationID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:       func(v *cloud.Disk) *cloud.Meta { return &v.Meta },
	filters:    map[string]string{"name": "name", "state": "state", "account": "account_id", "cloudspace": "cloudspace_id", "machine": "machine_id", "node": "node_id"},
	account:    "account_id",
	cloudspace: "cloudspace_id",
	machine:    "machine_id",
}

// CreateDisk writes a new disk.
func (tx *Tx) CreateDisk(v *cloud.Disk) error { return disks.insert(tx, v) }

// Disk returns the disk unless it is deleted.
func (tx *Tx) Disk(id cloud.DiskID) (*cloud.Disk, error) { return disks.live(tx, id) }

// UpdateDisk writes the disk back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateDisk(v *cloud.Disk) error { return disks.update(tx, v) }

// Disks returns a page of disks and the cursor of the next one.
func (tx *Tx) Disks(q Query) ([]cloud.Disk, string, error) { return disks.list(tx, q) }

// DiskNamed returns the disk by its name in the cloudspace.
func (tx *Tx) DiskNamed(cloudspace cloud.CloudspaceID, name string) (*cloud.Disk, error) {
	return disks.get(tx, name, "cloudspace_id = ? AND name = ? AND deleted_at = 0", cloudspace, name)
}

// DisksOf returns the machine's disks, the boot disk first.
func (tx *Tx) DisksOf(machine cloud.MachineID) ([]cloud.Disk, error) {
	return disks.all(tx, "machine_id = ? AND deleted_at = 0 ORDER BY boot DESC, id", machine)
}

// DisksFrom counts the disks that were made from the image.
func (tx *Tx) DisksFrom(image cloud.ImageID) (n int64, err error) {
	err = tx.queryRow("SELECT count(*) FROM disks WHERE image_id = ? AND deleted_at = 0", image).Scan(&n)
	return n, tx.d.translate(err)
}
