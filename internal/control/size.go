package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// SizeUpdate is what may change of a size; nil fields stay. Machines that were
// made from the size keep their numbers.
type SizeUpdate struct {
	Name      *string
	VCPUs     *int64
	MemoryMiB *int64
	DiskGiB   *int64
}

func sizeTarget(s *cloud.Size) target { return target{kind: cloud.KindSize, name: s.Name} }

func sizeSubject(s *cloud.Size) subject {
	return subject{kind: cloud.KindSize, id: string(s.ID), name: s.Name}
}

// findSize returns the size by id or name.
func findSize(tx *store.Tx, ref string) (*cloud.Size, error) {
	return byRef(ref, tx.Size, tx.SizeNamed)
}

// Size returns the size by id or name. Every user may see all.
func (c *Control) Size(ctx context.Context, r *Request, ref string) (*cloud.Size, error) {
	var s *cloud.Size
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if s, err = findSize(tx, ref); err != nil {
			return err
		}
		return r.allow(authz.Read, sizeTarget(s))
	})
	return s, err
}

// Sizes returns a page of sizes.
func (c *Control) Sizes(ctx context.Context, r *Request, q store.Query) (list []cloud.Size, next string, err error) {
	if err := r.mayList(cloud.KindSize); err != nil {
		return nil, "", err
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Sizes(q)
		return err
	})
	return list, next, err
}

// CreateSize makes a size and sets its id. Conflict if the name is taken.
func (c *Control) CreateSize(ctx context.Context, r *Request, s *cloud.Size) error {
	return c.change(ctx, r, "size.create", func(ch *change) error {
		if err := r.allow(authz.Create, sizeTarget(s)); err != nil {
			return err
		}
		if err := s.Validate(); err != nil {
			return err
		}
		s.ID = cloud.NewID[cloud.SizeID]()
		if err := ch.CreateSize(s); err != nil {
			return err
		}
		return ch.event("size.create", sizeSubject(s), nil, s)
	})
}

// UpdateSize changes what new machines of the size get.
func (c *Control) UpdateSize(ctx context.Context, r *Request, ref string, u SizeUpdate) (*cloud.Size, error) {
	var s *cloud.Size
	err := c.change(ctx, r, "size.update", func(ch *change) (err error) {
		if s, err = findSize(ch.Tx, ref); err != nil {
			return err
		}
		if err := r.allow(authz.Update, sizeTarget(s)); err != nil {
			return err
		}
		if err := ch.match(cloud.KindSize, s.Name, s.Version); err != nil {
			return err
		}
		before := *s
		set(&s.Name, u.Name)
		set(&s.VCPUs, u.VCPUs)
		set(&s.MemoryMiB, u.MemoryMiB)
		set(&s.DiskGiB, u.DiskGiB)
		if err := s.Validate(); err != nil {
			return err
		}
		if err := ch.UpdateSize(s); err != nil {
			return err
		}
		return ch.event("size.update", sizeSubject(s), &before, s)
	})
	return s, err
}

// DeleteSize takes a size from the offer. Machines that were made from it stay.
func (c *Control) DeleteSize(ctx context.Context, r *Request, ref string) error {
	return c.change(ctx, r, "size.delete", func(ch *change) error {
		s, err := findSize(ch.Tx, ref)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Delete, sizeTarget(s)); err != nil {
			return err
		}
		if err := ch.match(cloud.KindSize, s.Name, s.Version); err != nil {
			return err
		}
		if s.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateSize(s); err != nil {
			return err
		}
		return ch.event("size.delete", sizeSubject(s), s, nil)
	})
}
