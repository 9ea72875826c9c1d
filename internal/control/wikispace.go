package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// WikiSpace is a space as its reader sees it.
type WikiSpace struct {
	cloud.WikiSpace
	Pages               int64
	MayWrite, MayManage bool // the reader its pages, and it
}

// WikiSpaceRef names a space: by id, or by name in a project, in an account, or in
// the installation.
type WikiSpaceRef struct{ Account, Project, Space string }

func wikiSpaceSubject(s *cloud.WikiSpace) subject {
	return subject{kind: cloud.KindWikiSpace, id: string(s.ID), name: s.Name, account: s.AccountID, project: s.ProjectID}
}

// wikiTarget is the place of a space, or of its pages, in the tree of rights.
func wikiTarget(k cloud.Kind, s *cloud.WikiSpace, name string) target {
	return target{kind: k, name: name, account: s.AccountID, project: s.ProjectID}
}

// permitWiki is permit for a space or its pages, which everybody may read if the
// space is open to everybody. ref is how the caller named it, and name is its own.
func (r *Request) permitWiki(a authz.Action, k cloud.Kind, s *cloud.WikiSpace, ref, name string) error {
	read := r.allow(authz.Read, wikiTarget(k, s, ref))
	open := s.Readers == cloud.ReadersEveryone
	switch {
	case read != nil && !open:
		return read
	case a == authz.Read:
		return nil
	case read != nil:
		return cloud.Errorf(cloud.Denied, "you may not %s %s %s; %s could", a, k, name, authz.WhoCould(a, k))
	}
	return r.allow(a, wikiTarget(k, s, name))
}

// may reports whether the caller may do it.
func (r *Request) may(a authz.Action, t target) bool { return r.allow(a, t) == nil }

func (r *Request) wikiSpaceView(s *cloud.WikiSpace, pages int64) *WikiSpace {
	return &WikiSpace{
		WikiSpace: *s, Pages: pages,
		MayWrite:  r.may(authz.Update, wikiTarget(cloud.KindWikiPage, s, s.Name)),
		MayManage: r.may(authz.Update, wikiTarget(cloud.KindWikiSpace, s, s.Name)),
	}
}

// wikiScope finds the account and the project that a reference names. It says
// nothing about what the caller may see of them.
func wikiScope(tx *store.Tx, account, project string) (*cloud.Account, *cloud.Project, error) {
	if project != "" {
		p, err := findProject(tx, ProjectRef{Account: account, Project: project})
		if err != nil {
			return nil, nil, err
		}
		a, err := tx.Account(p.AccountID)
		return a, p, err
	}
	if account == "" {
		return nil, nil, nil
	}
	a, err := findAccount(tx, account)
	return a, nil, err
}

// inScope sets whose the space is.
func inScope(s *cloud.WikiSpace, a *cloud.Account, p *cloud.Project) {
	if a != nil {
		s.AccountID = a.ID
	}
	if p != nil {
		s.ProjectID = p.ID
	}
}

// findWikiSpace returns the space if the caller may read it; else it is NotFound,
// whatever is missing.
func (r *Request) findWikiSpace(tx *store.Tx, ref WikiSpaceRef) (*cloud.WikiSpace, error) {
	s, err := wikiSpaceAt(tx, ref)
	if err == nil {
		err = r.permitWiki(authz.Read, cloud.KindWikiSpace, s, ref.Space, s.Name)
	}
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "there is no space %s that you may read", ref.Space)
	}
	return s, err
}

func wikiSpaceAt(tx *store.Tx, ref WikiSpaceRef) (*cloud.WikiSpace, error) {
	if cloud.IsID(ref.Space) {
		return tx.WikiSpace(cloud.WikiSpaceID(ref.Space))
	}
	if ref.Space == "" {
		return nil, cloud.FieldErrorf("space", "is required")
	}
	a, p, err := wikiScope(tx, ref.Account, ref.Project)
	if err != nil {
		return nil, err
	}
	var in cloud.WikiSpace
	inScope(&in, a, p)
	return tx.WikiSpaceNamed(in.AccountID, in.ProjectID, ref.Space)
}

// WikiSpace returns the space if the caller may read it.
func (c *Control) WikiSpace(ctx context.Context, r *Request, ref WikiSpaceRef) (*WikiSpace, error) {
	var out *WikiSpace
	err := c.view(ctx, func(tx *store.Tx) error {
		s, err := r.findWikiSpace(tx, ref)
		if err != nil {
			return err
		}
		n, err := tx.CountWikiPages([]cloud.WikiSpaceID{s.ID})
		out = r.wikiSpaceView(s, n[s.ID])
		return err
	})
	return out, err
}

// WikiSpaces returns a page of the spaces that the caller may read.
func (c *Control) WikiSpaces(ctx context.Context, r *Request, q store.Query) (out []WikiSpace, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		var list []cloud.WikiSpace
		if list, next, err = tx.WikiSpaces(r.query(cloud.KindWikiSpace, q)); err != nil {
			return err
		}
		ids := make([]cloud.WikiSpaceID, len(list))
		for i := range list {
			ids[i] = list[i].ID
		}
		n, err := tx.CountWikiPages(ids)
		for i := range list {
			out = append(out, *r.wikiSpaceView(&list[i], n[list[i].ID]))
		}
		return err
	})
	return out, next, err
}

// WikiSpaceChange is what people set of a space; nil keeps, or takes the default.
type WikiSpaceChange struct {
	Name, Title, Description *string
	Readers                  *cloud.WikiReaders
}

// apply sets the values; only operators open a space to everybody.
func (in *WikiSpaceChange) apply(r *Request, s *cloud.WikiSpace) error {
	before := s.Readers
	set(&s.Name, in.Name)
	set(&s.Title, in.Title)
	set(&s.Description, in.Description)
	set(&s.Readers, in.Readers)
	s.Normalise()
	if err := s.Validate(); err != nil {
		return err
	}
	if s.Readers == cloud.ReadersEveryone && before != s.Readers && !r.may(authz.Manage, wikiTarget(cloud.KindWikiSpace, s, s.Name)) {
		return cloud.Errorf(cloud.Denied, "you may not open space %s to everyone; %s could", s.Name, authz.WhoCould(authz.Manage, cloud.KindWikiSpace))
	}
	return nil
}

// CreateWikiSpace makes a space in a project, an account, or the installation.
func (c *Control) CreateWikiSpace(ctx context.Context, r *Request, account, project string, in WikiSpaceChange) (*WikiSpace, error) {
	var out *WikiSpace
	err := c.change(ctx, r, "space.create", func(ch *change) error {
		a, p, err := wikiScope(ch.Tx, account, project)
		if err != nil {
			return err
		}
		s := &cloud.WikiSpace{ID: cloud.NewID[cloud.WikiSpaceID]()}
		inScope(s, a, p)
		set(&s.Name, in.Name)
		if err := r.allow(authz.Create, wikiTarget(cloud.KindWikiSpace, s, s.Name)); err != nil {
			switch {
			case p != nil:
				return hideIn(err, r, projectTarget(p), project)
			case a != nil:
				return hideIn(err, r, accountTarget(a), account)
			}
			return err
		}
		if err := ch.activeWiki(s); err != nil {
			return err
		}
		if err := in.apply(r, s); err != nil {
			return err
		}
		if err := ch.Tx.CreateWikiSpace(s); err != nil {
			return err
		}
		out = r.wikiSpaceView(s, 0)
		return ch.event("space.create", wikiSpaceSubject(s), nil, s)
	})
	return out, err
}

// activeWiki refuses changes in a disabled account.
func (ch *change) activeWiki(s *cloud.WikiSpace) error {
	if s.AccountID == "" {
		return nil
	}
	_, err := ch.active(s.AccountID)
	return err
}

// wikiSpaceFor finds the space for a change of it, and keeps pages from being made
// in it meanwhile.
func (ch *change) wikiSpaceFor(a authz.Action, ref WikiSpaceRef) (*cloud.WikiSpace, error) {
	s, err := ch.r.findWikiSpace(ch.Tx, ref)
	if err != nil {
		return nil, err
	}
	if err := ch.r.permitWiki(a, cloud.KindWikiSpace, s, ref.Space, s.Name); err != nil {
		return nil, err
	}
	if err := ch.activeWiki(s); err != nil {
		return nil, err
	}
	if err := ch.LockWikiSpace(s.ID); err != nil {
		return nil, err
	}
	if s, err = ch.Tx.WikiSpace(s.ID); err != nil { // as it is now that nobody else can change it
		return nil, err
	}
	return s, ch.match(cloud.KindWikiSpace, s.Name, s.Version)
}

// UpdateWikiSpace changes the space.
func (c *Control) UpdateWikiSpace(ctx context.Context, r *Request, ref WikiSpaceRef, in WikiSpaceChange) (*WikiSpace, error) {
	var out *WikiSpace
	err := c.change(ctx, r, "space.update", func(ch *change) error {
		s, err := ch.wikiSpaceFor(authz.Update, ref)
		if err != nil {
			return err
		}
		before := *s
		if err := in.apply(r, s); err != nil {
			return err
		}
		if err := ch.Tx.UpdateWikiSpace(s); err != nil {
			return err
		}
		n, err := ch.CountWikiPages([]cloud.WikiSpaceID{s.ID})
		if err != nil {
			return err
		}
		out = r.wikiSpaceView(s, n[s.ID])
		return ch.event("space.update", wikiSpaceSubject(s), &before, s)
	})
	return out, err
}

// DeleteWikiSpace deletes a space, and with force its pages too: else it is a
// Conflict while it has some.
func (c *Control) DeleteWikiSpace(ctx context.Context, r *Request, ref WikiSpaceRef, force bool) error {
	return c.change(ctx, r, "space.delete", func(ch *change) error {
		s, err := ch.wikiSpaceFor(authz.Delete, ref)
		if err != nil {
			return err
		}
		n, err := ch.CountWikiPages([]cloud.WikiSpaceID{s.ID})
		if err != nil {
			return err
		}
		if n[s.ID] > 0 && !force {
			return cloud.Errorf(cloud.Conflict, "space %s has %d pages; delete them first, or force it to delete them too", s.Name, n[s.ID])
		}
		if err := ch.DeleteWikiPagesIn(s.ID); err != nil {
			return err
		}
		if s.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.Tx.UpdateWikiSpace(s); err != nil {
			return err
		}
		return ch.event("space.delete", wikiSpaceSubject(s), s, nil)
	})
}
