package control

import (
	"slices"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// target is the place of an object in the tree of rights.
type target struct {
	kind       cloud.Kind
	name       string
	account    cloud.AccountID
	cloudspace cloud.CloudspaceID
	machine    cloud.MachineID
	project    cloud.ProjectID
}

// roles are the caller's roles on the target: its strongest membership from the
// target upwards.
func (r *Request) roles(t target) authz.Roles {
	roles := authz.Roles{Installation: r.User.Role}
	if r.Account != "" && t.account != r.Account {
		return authz.Roles{} // the token is limited to another account
	}
	strength := []cloud.UserRole{cloud.ScopeReader, cloud.ScopeWriter, cloud.ScopeAdmin}
	for _, m := range r.Memberships {
		holds := m.AccountID == t.account && t.account != "" &&
			(m.CloudspaceID == "" || m.CloudspaceID == t.cloudspace) &&
			(m.MachineID == "" || m.MachineID == t.machine) &&
			(m.ProjectID == "" || m.ProjectID == t.project)
		if holds && slices.Index(strength, m.Role) > slices.Index(strength, roles.Scope) {
			roles.Scope = m.Role
		}
	}
	return roles
}

// allow returns nil if the caller may do it. A target that the caller may not
// even read is NotFound, so that its existence stays secret.
func (r *Request) allow(a authz.Action, t target) error {
	roles := r.roles(t)
	if authz.Allowed(roles, a, t.kind) {
		if r.ReadOnly && a != authz.Read {
			return cloud.Errorf(cloud.Denied, "this token may only read; make one with the scope full")
		}
		return nil
	}
	if a != authz.Create && !authz.Allowed(roles, authz.Read, t.kind) {
		return cloud.Errorf(cloud.NotFound, "there is no %s %s", t.kind, t.name)
	}
	return cloud.Errorf(cloud.Denied, "you may not %s %s %s; %s could", a, t.kind, t.name, authz.WhoCould(a, t.kind))
}

// sees is the predicate of what the caller may list of a kind.
func (r *Request) sees(k cloud.Kind) store.Visibility {
	if r.Account == "" && authz.SeesAll(r.User.Role, k) {
		return store.Everything
	}
	if r.Account != "" && authz.SeesAll(r.User.Role, k) {
		return store.Visibility{Accounts: []cloud.AccountID{r.Account}}
	}
	var v store.Visibility
	for _, m := range r.Memberships {
		switch {
		case r.Account != "" && m.AccountID != r.Account:
		case !authz.Allowed(authz.Roles{Scope: m.Role}, authz.Read, k):
		case m.ProjectID != "":
			v.Projects = append(v.Projects, m.ProjectID)
		case m.MachineID != "":
			v.Machines = append(v.Machines, m.MachineID)
		case m.CloudspaceID != "":
			v.Cloudspaces = append(v.Cloudspaces, m.CloudspaceID)
		default:
			v.Accounts = append(v.Accounts, m.AccountID)
		}
	}
	return v
}

// query completes a list's query with what the caller may see of the kind.
func (r *Request) query(k cloud.Kind, q store.Query) store.Query {
	q.Visible = r.sees(k)
	return q
}

// active refuses changes in an account that is disabled. It locks the account:
// nothing can be made in it while it is deleted or disabled.
func (ch *change) active(id cloud.AccountID) (*cloud.Account, error) {
	if err := ch.LockAccount(id); err != nil {
		return nil, err
	}
	a, err := ch.Account(id)
	if err != nil {
		return nil, err
	}
	if a.State != cloud.AccountActive {
		return nil, cloud.StateErrorf(string(a.State), "account %s is %s: nothing in it can be changed until an operator enables it", a.Name, a.State)
	}
	return a, nil
}
