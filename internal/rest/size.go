package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func sizeView(z *cloud.Size) api.Size {
	return api.Size{ID: string(z.ID), Name: z.Name, VCPUs: z.VCPUs, MemoryMiB: z.MemoryMiB, DiskGiB: z.DiskGiB, Meta: metaView(z.Meta)}
}

// SizeIn names a size in the path.
type SizeIn struct {
	Size string `path:"size" doc:"Id or name."`
}

func (s *Server) registerSizes() {
	const tag, all, one = "Sizes", "/sizes", "/sizes/{size}"
	add(s, get(all, "list-sizes", tag, "List sizes"), s.sizeList)
	add(s, post(all, "create-size", tag, "Create a size"), s.sizeCreate)
	add(s, get(one, "get-size", tag, "Show a size"), s.sizeGet)
	add(s, patch(one, "update-size", tag, "Change what new machines of the size get"), s.sizeUpdate)
	add(s, remove(one, "delete-size", tag, "Delete a size; machines keep what they have"), s.sizeDelete)
}

func (s *Server) sizeList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Size], error) {
	list, next, err := s.control.Sizes(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, sizeView), nil
}

type sizeCreate struct {
	Creating
	Body api.SizeCreate
}

func (s *Server) sizeCreate(ctx context.Context, r *control.Request, in *sizeCreate) (*created[api.Size], error) {
	b := in.Body
	z := &cloud.Size{Name: b.Name, VCPUs: b.VCPUs, MemoryMiB: b.MemoryMiB, DiskGiB: b.DiskGiB}
	if err := s.control.CreateSize(ctx, r, z); err != nil {
		return nil, err
	}
	return newObject("/sizes", z.ID, z.Meta, sizeView(z)), nil
}

func (s *Server) sizeGet(ctx context.Context, r *control.Request, in *SizeIn) (*body[api.Size], error) {
	z, err := s.control.Size(ctx, r, in.Size)
	if err != nil {
		return nil, err
	}
	return object(z.Meta, sizeView(z)), nil
}

type sizeUpdate struct {
	SizeIn
	Versioned
	Body api.SizeUpdate
}

func (s *Server) sizeUpdate(ctx context.Context, r *control.Request, in *sizeUpdate) (*body[api.Size], error) {
	z, err := s.control.UpdateSize(ctx, r, in.Size, control.SizeUpdate(in.Body))
	if err != nil {
		return nil, err
	}
	return object(z.Meta, sizeView(z)), nil
}

type sizeDelete struct {
	SizeIn
	Versioned
}

func (s *Server) sizeDelete(ctx context.Context, r *control.Request, in *sizeDelete) (*none, error) {
	return &none{}, s.control.DeleteSize(ctx, r, in.Size)
}
