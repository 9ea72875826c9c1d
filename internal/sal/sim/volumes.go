package sim

import (
	"context"
	"maps"
	"slices"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// volumes implements sal.Volumes. A simulated volume takes its whole size of the
// node's disk.
type volumes struct{ n *Node }

// maxVolumeGiB is the largest disk of cloud.Disk.
const maxVolumeGiB = 64 << 10

type volume struct {
	gib   int64
	image string // checksum of the image that it needs, "" for none
}

// Ensure implements sal.Volumes. A full disk is cloud.Capacity.
func (v volumes) Ensure(ctx context.Context, args wire.VolumeArgs) error {
	if !cloud.IsID(string(args.ID)) {
		return cloud.FieldErrorf("id", "%q is not the id of a volume", args.ID)
	}
	if args.SizeGiB < 1 || args.SizeGiB > maxVolumeGiB {
		return cloud.FieldErrorf("size_gib", "must be 1 GiB to 64 TiB, not %d GiB", args.SizeGiB)
	}
	n := v.n
	return n.do(ctx, VolumeEnsure, func() error {
		old, ok := n.volumes[args.ID]
		want := volume{gib: max(old.gib, args.SizeGiB), image: old.image}
		if !ok && args.Image != nil {
			base, ok := n.images[args.Image.SHA256]
			if !ok {
				return cloud.Errorf(cloud.NotFound, "image %s of volume %s is not in the cache of node %s; ensure the image first",
					args.Image.SHA256, args.ID, n.name)
			}
			if base.virtual > args.SizeGiB<<30 {
				return cloud.FieldErrorf("size_gib", "the image needs a disk of %d GiB; %d GiB are too small", (base.virtual+1<<30-1)>>30, args.SizeGiB)
			}
			want.image = args.Image.SHA256
		}
		if user := n.userOf(args.ID); ok && want.gib > old.gib && user != "" {
			return cloud.Errorf(cloud.Conflict, "volume %s is in use and cannot grow; stop machine %s first", args.ID, user)
		}
		if err := n.room("volume "+string(args.ID), (want.gib-old.gib)<<10); err != nil {
			return err
		}
		put(&n.volumes, args.ID, want)
		return nil
	})
}

// Delete implements sal.Volumes. A volume of a running machine is cloud.Conflict.
func (v volumes) Delete(ctx context.Context, id cloud.DiskID) error {
	n := v.n
	return n.do(ctx, VolumeDelete, func() error {
		if user := n.userOf(id); user != "" {
			return cloud.Errorf(cloud.Conflict, "volume %s is in use; stop machine %s first", id, user)
		}
		drop(&n.volumes, id)
		return nil
	})
}

// List implements sal.Volumes.
func (v volumes) List(ctx context.Context) ([]cloud.DiskID, error) {
	var list []cloud.DiskID
	err := v.n.do(ctx, VolumeList, func() error {
		list = slices.Sorted(maps.Keys(v.n.volumes))
		return nil
	})
	return list, err
}

// userOf returns the running machine that has the volume; the lock is held.
func (n *Node) userOf(id cloud.DiskID) cloud.MachineID {
	for machine, m := range n.machines {
		if m.power == cloud.PowerOn && slices.Contains(m.disks, id) {
			return machine
		}
	}
	return ""
}

// diskUsed is called with the lock held.
func (n *Node) diskUsed() int64 {
	var used int64
	for _, i := range n.images {
		used += toMiB(i.size)
	}
	for _, v := range n.volumes {
		used += v.gib << 10
	}
	return used
}

// room is called with the lock held.
func (n *Node) room(what string, mib int64) error {
	if mib <= 0 {
		return nil
	}
	if free := n.shape().DiskMiB - n.diskUsed(); mib > free {
		return cloud.Errorf(cloud.Capacity, "%s needs %d MiB and node %s has %d MiB of disk left; delete volumes or use another node",
			what, mib, n.name, free)
	}
	return nil
}
