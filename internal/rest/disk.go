package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func diskView(d *cloud.Disk) api.Disk {
	return api.Disk{
		ID: string(d.ID), AccountID: string(d.AccountID), CloudspaceID: string(d.CloudspaceID), MachineID: string(d.MachineID),
		NodeID: string(d.NodeID), Name: d.Name, State: string(d.State), Reason: d.Reason, SizeGiB: d.SizeGiB, ImageID: string(d.ImageID),
		Boot: d.Boot, OperationID: string(d.OperationID), Meta: metaView(d.Meta),
	}
}

// DiskIn names a disk in the path.
type DiskIn struct {
	Disk string `path:"disk" format:"uuid"`
}

func (s *Server) registerDisks() {
	const tag = "Disks"
	add(s, get("/disks", "list-disks", tag, "List disks"), s.diskList)
	add(s, get("/disks/{disk}", "get-disk", tag, "Show a disk"), s.diskGet)
}

func (s *Server) diskList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Disk], error) {
	list, next, err := s.control.Disks(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, diskView), nil
}

func (s *Server) diskGet(ctx context.Context, r *control.Request, in *DiskIn) (*body[api.Disk], error) {
	d, err := s.control.Disk(ctx, r, cloud.DiskID(in.Disk))
	if err != nil {
		return nil, err
	}
	return object(d.Meta, diskView(d)), nil
}
