package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// Disk returns the disk if the caller may see it.
func (c *Control) Disk(ctx context.Context, r *Request, id cloud.DiskID) (*cloud.Disk, error) {
	var d *cloud.Disk
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if d, err = tx.Disk(id); err != nil {
			return err
		}
		return r.permit(authz.Read, target{cloud.KindDisk, d.Name, d.AccountID, d.CloudspaceID, d.MachineID, ""}, string(id))
	})
	return d, err
}

// Disks returns a page of the disks that the caller may see.
func (c *Control) Disks(ctx context.Context, r *Request, q store.Query) (list []cloud.Disk, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Disks(r.query(cloud.KindDisk, q))
		return err
	})
	return list, next, err
}
