package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func membershipTarget(m *cloud.Membership) target {
	return target{kind: cloud.KindMembership, name: string(m.ID), account: m.AccountID, cloudspace: m.CloudspaceID, machine: m.MachineID, project: m.ProjectID}
}

func (ch *change) membershipEvent(action string, u *cloud.User, before, after *cloud.Membership) error {
	m := after
	if m == nil {
		m = before
	}
	s := subject{kind: cloud.KindMembership, id: string(m.ID), name: u.Name, account: m.AccountID, cloudspace: m.CloudspaceID, project: m.ProjectID}
	ch.revoked()
	return ch.event(action, s, before, after)
}

// own reports whether the membership is the caller's own, and within what its
// token is limited to.
func (r *Request) own(m *cloud.Membership) bool {
	return r.is(m.UserID) && (r.Account == "" || r.Account == m.AccountID)
}

// Member is a membership with its user's name, which admins of an account could
// not read otherwise.
type Member struct {
	cloud.Membership
	UserName string
	UserKind cloud.Kind
}

// Membership returns the membership if the caller may see it, such as one's own.
func (c *Control) Membership(ctx context.Context, r *Request, id cloud.MembershipID) (*Member, error) {
	var out *Member
	err := c.view(ctx, func(tx *store.Tx) error {
		m, err := tx.Membership(id)
		if err != nil {
			return err
		}
		if !r.own(m) {
			if err := r.permit(authz.Read, membershipTarget(m), string(id)); err != nil {
				return err
			}
		}
		list, err := members(tx, []cloud.Membership{*m})
		if err != nil {
			return err
		}
		out = &list[0]
		return nil
	})
	return out, err
}

// Memberships returns a page of the memberships that the caller may see.
func (c *Control) Memberships(ctx context.Context, r *Request, q store.Query) (list []Member, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		rows, n, err := tx.Memberships(r.query(cloud.KindMembership, q))
		if err != nil {
			return err
		}
		next = n
		list, err = members(tx, rows)
		return err
	})
	return list, next, err
}

func members(tx *store.Tx, rows []cloud.Membership) ([]Member, error) {
	users := map[cloud.UserID]*cloud.User{}
	out := make([]Member, 0, len(rows))
	for _, m := range rows {
		u := users[m.UserID]
		if u == nil {
			var err error
			if u, err = tx.User(m.UserID); err != nil {
				return nil, err
			}
			users[m.UserID] = u
		}
		out = append(out, Member{m, u.Name, u.Kind()})
	}
	return out, nil
}

// NewMembership says who gets which role where. Exactly one of User and
// ServiceAccount and exactly one of Account, Cloudspace, Machine and Project is set.
type NewMembership struct {
	User           string // id, or name of a person
	ServiceAccount string // id, or name in the account that the scope lies in
	Role           cloud.UserRole
	Account        cloud.AccountID
	Cloudspace     cloud.CloudspaceID
	Machine        cloud.MachineID
	Project        cloud.ProjectID
}

// CreateMembership gives a user a role. For admins of the account, or of the
// cloudspace, machine or project that it is about. Conflict if the user has a role there.
func (c *Control) CreateMembership(ctx context.Context, r *Request, in NewMembership) (*cloud.Membership, error) {
	var m *cloud.Membership
	err := c.change(ctx, r, "membership.create", func(ch *change) (err error) {
		if m, err = ch.newMembership(in); err != nil {
			return err
		}
		if err := r.permit(authz.Create, membershipTarget(m), in.scope()); err != nil {
			if cloud.Is(err, cloud.NotFound) {
				return in.noScope()
			}
			return err
		}
		if err := m.Validate(); err != nil {
			return err
		}
		if _, err := ch.active(m.AccountID); err != nil {
			return err
		}
		u, err := ch.member(in, m.AccountID)
		if err != nil {
			return err
		}
		m.UserID = u.ID
		if err := ch.hasNone(u, m); err != nil {
			return err
		}
		m.ID = cloud.NewID[cloud.MembershipID]()
		if err := ch.Tx.CreateMembership(m); err != nil {
			return err
		}
		return ch.membershipEvent("membership.create", u, nil, m)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (in *NewMembership) scope() string {
	return string(in.Account) + string(in.Cloudspace) + string(in.Machine) + string(in.Project)
}

// noScope is the answer to a scope that is not there, or not for the caller.
func (in *NewMembership) noScope() error {
	kind := cloud.KindAccount
	switch {
	case in.Cloudspace != "":
		kind = cloud.KindCloudspace
	case in.Machine != "":
		kind = cloud.KindMachine
	case in.Project != "":
		kind = cloud.KindProject
	}
	return cloud.Errorf(cloud.NotFound, "there is no %s %s", kind, in.scope())
}

// newMembership finds the scope and the account that it lies in.
func (ch *change) newMembership(in NewMembership) (*cloud.Membership, error) {
	m := &cloud.Membership{Role: in.Role, AccountID: in.Account, CloudspaceID: in.Cloudspace, MachineID: in.Machine, ProjectID: in.Project}
	n := 0
	for _, set := range []bool{in.Account != "", in.Cloudspace != "", in.Machine != "", in.Project != ""} {
		if set {
			n++
		}
	}
	if n != 1 {
		return nil, cloud.Errorf(cloud.Invalid, "a role is given on one account, one cloudspace, one machine or one project; name exactly one of them")
	}
	switch {
	case in.Machine != "":
		vm, err := ch.Machine(in.Machine)
		if err != nil {
			return nil, err
		}
		m.AccountID, m.CloudspaceID = vm.AccountID, vm.CloudspaceID
	case in.Cloudspace != "":
		s, err := ch.Cloudspace(in.Cloudspace)
		if err != nil {
			return nil, err
		}
		m.AccountID = s.AccountID
	case in.Project != "":
		p, err := ch.Project(in.Project)
		if err != nil {
			return nil, err
		}
		m.AccountID = p.AccountID
	default:
		if _, err := ch.Account(in.Account); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// member finds who gets the role.
func (ch *change) member(in NewMembership, account cloud.AccountID) (*cloud.User, error) {
	switch {
	case (in.User == "") == (in.ServiceAccount == ""):
		return nil, cloud.FieldErrorf("user", "is required, or a service account: exactly one of them")
	case in.ServiceAccount != "":
		return findService(ch.Tx, account, in.ServiceAccount)
	}
	u, err := findUser(ch.Tx, in.User)
	if err == nil && u.IsService() && u.AccountID != account {
		return nil, cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindUser, in.User)
	}
	return u, err
}

// hasNone is a Conflict if the user has a role on the scope.
func (ch *change) hasNone(u *cloud.User, m *cloud.Membership) error {
	list, err := ch.MembershipsOf(u.ID)
	if err != nil {
		return err
	}
	for _, has := range list {
		if has.AccountID == m.AccountID && has.CloudspaceID == m.CloudspaceID && has.MachineID == m.MachineID && has.ProjectID == m.ProjectID {
			return cloud.StateErrorf(string(has.Role), "%s %s has the role %s there; change membership %s", u.Kind(), u.Name, has.Role, has.ID)
		}
	}
	return nil
}

// UpdateMembership changes the role. The last admin of an account keeps it (Conflict).
func (c *Control) UpdateMembership(ctx context.Context, r *Request, id cloud.MembershipID, role cloud.UserRole) (*cloud.Membership, error) {
	var m *cloud.Membership
	err := c.change(ctx, r, "membership.update", func(ch *change) (err error) {
		if m, err = ch.Membership(id); err != nil {
			return err
		}
		if err := r.permit(authz.Update, membershipTarget(m), string(id)); err != nil {
			return err
		}
		u, err := ch.User(m.UserID)
		if err != nil {
			return err
		}
		if _, err := ch.active(m.AccountID); err != nil {
			return err
		}
		if err := ch.match(cloud.KindMembership, u.Name, m.Version); err != nil {
			return err
		}
		before := *m
		m.Role = role
		if err := m.Validate(); err != nil {
			return err
		}
		if role != cloud.ScopeAdmin {
			if err := ch.notLastAccountAdmin(&before, u); err != nil {
				return err
			}
		}
		if err := ch.Tx.UpdateMembership(m); err != nil {
			return err
		}
		return ch.membershipEvent("membership.update", u, &before, m)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// DeleteMembership takes the role away. Everybody may give up his own; the last
// admin of an account cannot (Conflict).
func (c *Control) DeleteMembership(ctx context.Context, r *Request, id cloud.MembershipID) error {
	return c.change(ctx, r, "membership.delete", func(ch *change) error {
		m, err := ch.Membership(id)
		if err != nil {
			return err
		}
		if !r.own(m) {
			if err := r.permit(authz.Delete, membershipTarget(m), string(id)); err != nil {
				return err
			}
		}
		u, err := ch.User(m.UserID)
		if err != nil {
			return err
		}
		if _, err := ch.active(m.AccountID); err != nil {
			return err
		}
		if err := ch.notLastAccountAdmin(m, u); err != nil {
			return err
		}
		before := *m
		if m.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.Tx.UpdateMembership(m); err != nil {
			return err
		}
		return ch.membershipEvent("membership.delete", u, &before, nil)
	})
}

// notLastAccountAdmin is a Conflict if the membership makes its user the only
// person who is an enabled admin of the account. Service accounts do not count:
// nobody can log in as one.
func (ch *change) notLastAccountAdmin(m *cloud.Membership, u *cloud.User) error {
	if m.Role != cloud.ScopeAdmin || m.CloudspaceID != "" || m.ProjectID != "" || u.IsService() || u.Disabled {
		return nil
	}
	if err := ch.LockAccount(m.AccountID); err != nil {
		return err
	}
	list, _, err := ch.Tx.Memberships(store.Query{
		Limit: store.MaxLimit, Visible: store.Everything,
		Filter: []string{"account=" + string(m.AccountID), "role=" + string(cloud.ScopeAdmin), "cloudspace=", "project="},
	})
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].UserID == u.ID {
			continue
		}
		other, err := ch.User(list[i].UserID)
		if err != nil {
			return err
		}
		if !other.IsService() && !other.Disabled {
			return nil
		}
	}
	a, err := ch.Account(m.AccountID)
	if err != nil {
		return err
	}
	return cloud.Errorf(cloud.Conflict, "user %s is the last admin of account %s; make somebody else one first", u.Name, a.Name)
}
