package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// LocationUpdate is what may change of a location; nil fields stay.
type LocationUpdate struct {
	Name        *string
	Description *string
}

func locationTarget(l *cloud.Location) target {
	return target{kind: cloud.KindLocation, name: l.Name}
}

func locationSubject(l *cloud.Location) subject {
	return subject{kind: cloud.KindLocation, id: string(l.ID), name: l.Name}
}

// findLocation returns the location by id or name.
func findLocation(tx *store.Tx, ref string) (*cloud.Location, error) {
	return byRef(ref, tx.Location, tx.LocationNamed)
}

// Location returns the location by id or name. Every user may see all.
func (c *Control) Location(ctx context.Context, r *Request, ref string) (*cloud.Location, error) {
	var l *cloud.Location
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if l, err = findLocation(tx, ref); err != nil {
			return err
		}
		return r.allow(authz.Read, locationTarget(l))
	})
	return l, err
}

// Locations returns a page of locations.
func (c *Control) Locations(ctx context.Context, r *Request, q store.Query) (list []cloud.Location, next string, err error) {
	if err := r.mayList(cloud.KindLocation); err != nil {
		return nil, "", err
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Locations(q)
		return err
	})
	return list, next, err
}

// CreateLocation makes a location and sets its id. Conflict if the name is taken.
func (c *Control) CreateLocation(ctx context.Context, r *Request, l *cloud.Location) error {
	return c.change(ctx, r, "location.create", func(ch *change) error {
		if err := r.allow(authz.Create, locationTarget(l)); err != nil {
			return err
		}
		if err := l.Validate(); err != nil {
			return err
		}
		l.ID = cloud.NewID[cloud.LocationID]()
		if err := ch.CreateLocation(l); err != nil {
			return err
		}
		return ch.event("location.create", locationSubject(l), nil, l)
	})
}

// UpdateLocation renames or describes a location.
func (c *Control) UpdateLocation(ctx context.Context, r *Request, ref string, u LocationUpdate) (*cloud.Location, error) {
	var l *cloud.Location
	err := c.change(ctx, r, "location.update", func(ch *change) (err error) {
		if l, err = findLocation(ch.Tx, ref); err != nil {
			return err
		}
		if err := r.allow(authz.Update, locationTarget(l)); err != nil {
			return err
		}
		if err := ch.match(cloud.KindLocation, l.Name, l.Version); err != nil {
			return err
		}
		before := *l
		set(&l.Name, u.Name)
		set(&l.Description, u.Description)
		if err := l.Validate(); err != nil {
			return err
		}
		if err := ch.UpdateLocation(l); err != nil {
			return err
		}
		return ch.event("location.update", locationSubject(l), &before, l)
	})
	return l, err
}

// DeleteLocation removes a location that nothing is in. Conflict names what is.
func (c *Control) DeleteLocation(ctx context.Context, r *Request, ref string) error {
	return c.change(ctx, r, "location.delete", func(ch *change) error {
		l, err := findLocation(ch.Tx, ref)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Delete, locationTarget(l)); err != nil {
			return err
		}
		if err := ch.match(cloud.KindLocation, l.Name, l.Version); err != nil {
			return err
		}
		if err := ch.emptyLocation(l); err != nil {
			return err
		}
		if l.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateLocation(l); err != nil {
			return err
		}
		return ch.event("location.delete", locationSubject(l), l, nil)
	})
}

// emptyLocation is a Conflict while something is, or could still come to be, in
// the location.
func (ch *change) emptyLocation(l *cloud.Location) error {
	in := store.Query{Limit: 1, Filter: []string{"location=" + string(l.ID)}, Visible: store.Everything}
	nodes, _, err := ch.Nodes(in)
	if err != nil {
		return err
	}
	if len(nodes) > 0 {
		return cloud.Errorf(cloud.Conflict, "location %s has nodes (%s is one); delete them first", l.Name, nodes[0].Name)
	}
	spaces, _, err := ch.Cloudspaces(in)
	if err != nil {
		return err
	}
	if len(spaces) > 0 {
		return cloud.Errorf(cloud.Conflict, "location %s has cloudspaces (%s is one); delete them first", l.Name, spaces[0].Name)
	}
	schedules, err := allOf(ch.Schedules, store.Query{Visible: store.Everything})
	if err != nil {
		return err
	}
	for _, s := range schedules {
		if s.LocationID == l.ID {
			return cloud.Errorf(cloud.Conflict, "schedule %s runs in location %s; delete it first", s.Name, l.Name)
		}
	}
	tokens, err := allOf(ch.JoinTokens, store.Query{Visible: store.Everything})
	if err != nil {
		return err
	}
	now, err := ch.Now()
	for _, t := range tokens {
		if t.LocationID == l.ID && t.UsesLeft > 0 && t.ExpiresAt > now {
			return cloud.Errorf(cloud.Conflict, "nodes may still join location %s with the join token %s; delete the token first", l.Name, t.ID)
		}
	}
	return err
}
