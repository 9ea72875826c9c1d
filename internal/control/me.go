package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// OwnMembership is a role of the caller with the names of where it holds, as far as
// the caller may read those objects.
type OwnMembership struct {
	cloud.Membership
	Account, Cloudspace, Machine, Project string
}

// OwnMemberships returns the caller's roles; with a token that is limited to an
// account, those in it.
func (c *Control) OwnMemberships(ctx context.Context, r *Request) ([]OwnMembership, error) {
	var out []OwnMembership
	err := c.view(ctx, func(tx *store.Tx) error {
		out = nil
		for i := range r.Memberships {
			m := &r.Memberships[i]
			if !r.own(m) {
				continue
			}
			o, err := r.named(tx, m)
			if err != nil {
				return err
			}
			out = append(out, o)
		}
		return nil
	})
	return out, err
}

// named reads the names. What was deleted meanwhile stays without.
func (r *Request) named(tx *store.Tx, m *cloud.Membership) (OwnMembership, error) {
	o := OwnMembership{Membership: *m}
	if a, err := tx.Account(m.AccountID); err == nil {
		o.Account = r.nameOf(accountTarget(a))
	} else if !cloud.Is(err, cloud.NotFound) {
		return o, err
	}
	if s, err := tx.Cloudspace(m.CloudspaceID); err == nil {
		o.Cloudspace = r.nameOf(cloudspaceTarget(s))
	} else if !cloud.Is(err, cloud.NotFound) {
		return o, err
	}
	if vm, err := tx.Machine(m.MachineID); err == nil {
		o.Machine = r.nameOf(machineTarget(vm))
	} else if !cloud.Is(err, cloud.NotFound) {
		return o, err
	}
	if p, err := tx.Project(m.ProjectID); err == nil {
		o.Project = r.nameOf(projectTarget(p))
	} else if !cloud.Is(err, cloud.NotFound) {
		return o, err
	}
	return o, nil
}

// nameOf is the name of what the caller may read, "" of the rest.
func (r *Request) nameOf(t target) string {
	if r.allow(authz.Read, t) != nil {
		return ""
	}
	return t.name
}

// Allowed are the actions that somebody may do, by kind.
type Allowed map[cloud.Kind][]authz.Action

// Permissions returns what the caller may do by its role on the installation, and
// by each of the roles that it has in memberships, where those hold.
func (r *Request) Permissions() (installation Allowed, roles map[cloud.UserRole]Allowed) {
	installation, roles = Allowed{}, map[cloud.UserRole]Allowed{}
	if r.Account == "" {
		installation = r.allowed(authz.Roles{Installation: r.User.Role})
	}
	for i := range r.Memberships {
		m := &r.Memberships[i]
		if r.own(m) && roles[m.Role] == nil {
			roles[m.Role] = r.allowed(authz.Roles{Scope: m.Role})
		}
	}
	return installation, roles
}

// allowed is the policy's table for the roles, and for the token's scope.
func (r *Request) allowed(roles authz.Roles) Allowed {
	out := Allowed{}
	for kind, actions := range authz.Kinds(roles) {
		for _, a := range actions {
			if a == authz.Read || !r.ReadOnly {
				out[kind] = append(out[kind], a)
			}
		}
	}
	return out
}
