package control

import (
	"context"
	"slices"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func userTarget(u *cloud.User) target {
	return target{kind: u.Kind(), name: u.Name, account: u.AccountID}
}

func userSubject(u *cloud.User) subject {
	return subject{kind: u.Kind(), id: string(u.ID), name: u.Name, account: u.AccountID}
}

// is reports whether the user is the caller.
func (r *Request) is(u cloud.UserID) bool { return u != "" && r.User.ID == u }

// whole refuses what concerns the caller as a person to a token that is limited
// to one account.
func (r *Request) whole() error {
	if r.Account == "" {
		return nil
	}
	return cloud.Errorf(cloud.Denied, "this token is limited to one account; use one that is not")
}

// permitUser is permit on a user: everybody may read himself, and only admins of
// the installation may change one who has a role on it, since that would be a
// way to take the role.
func (r *Request) permitUser(a authz.Action, u *cloud.User, ref string) error {
	if a == authz.Read && r.is(u.ID) {
		return nil
	}
	err := r.permit(a, userTarget(u), ref)
	switch {
	case cloud.Is(err, cloud.NotFound) && r.is(u.ID):
		return cloud.Errorf(cloud.Denied, "you may not %s yourself; %s could", a, authz.WhoCould(a, u.Kind()))
	case cloud.Is(err, cloud.NotFound): // whether a person or a service account, the words are the same
		return cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindUser, ref)
	case err != nil:
		return err
	}
	if a != authz.Read && u.Role != "" {
		return r.allow(authz.Manage, userTarget(u))
	}
	return nil
}

// findUser returns the user or service account by its id, or the person by name.
func findUser(tx *store.Tx, ref string) (*cloud.User, error) {
	if cloud.IsID(ref) {
		return tx.User(cloud.UserID(ref))
	}
	return tx.UserNamed("", ref)
}

// User returns the user (or by id also the service account) if the caller may
// see it. Everybody may see himself.
func (c *Control) User(ctx context.Context, r *Request, ref string) (*cloud.User, error) {
	return c.readUser(ctx, r, ref, func(tx *store.Tx) (*cloud.User, error) { return findUser(tx, ref) })
}

// ServiceAccount returns the service account with the id, or with the name in
// the account, if the caller may see it.
func (c *Control) ServiceAccount(ctx context.Context, r *Request, account, ref string) (*cloud.User, error) {
	var parent error
	u, err := c.readUser(ctx, r, ref, func(tx *store.Tx) (*cloud.User, error) {
		in, err := parentAccount(tx, r, account)
		if err != nil {
			parent = err
			return nil, err
		}
		return findService(tx, in, ref)
	})
	if parent == nil && cloud.Is(err, cloud.NotFound) {
		return nil, noService(ref)
	}
	return u, err
}

func findService(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.User, error) {
	var u *cloud.User
	var err error
	if cloud.IsID(ref) {
		u, err = tx.User(cloud.UserID(ref))
	} else if account != "" { // the name alone would be a person's
		u, err = tx.UserNamed(account, ref)
	} else {
		return nil, cloud.FieldErrorf("account", "is required to find service account %s by its name", ref)
	}
	if err != nil || !u.IsService() || (account != "" && u.AccountID != account) {
		if err == nil || cloud.Is(err, cloud.NotFound) {
			err = noService(ref)
		}
		return nil, err
	}
	return u, nil
}

func noService(ref string) error {
	return cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindServiceAccount, ref)
}

func (c *Control) readUser(ctx context.Context, r *Request, ref string, find func(*store.Tx) (*cloud.User, error)) (*cloud.User, error) {
	var u *cloud.User
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if u, err = find(tx); err != nil {
			return err
		}
		return r.permitUser(authz.Read, u, ref)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// Users returns a page of the people. Who may not see them sees himself.
func (c *Control) Users(ctx context.Context, r *Request, q store.Query) (list []cloud.User, next string, err error) {
	q.Visible = store.Everything
	if r.allow(authz.Read, target{kind: cloud.KindUser}) != nil {
		if r.User.IsService() {
			return nil, "", nil // a person of the same name is somebody else
		}
		q.Filter = append(append([]string(nil), q.Filter...), "name="+r.User.Name)
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.People(q)
		return err
	})
	return list, next, err
}

// ServiceAccounts returns a page of the service accounts that the caller may see.
func (c *Control) ServiceAccounts(ctx context.Context, r *Request, q store.Query) (list []cloud.User, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.ServiceAccounts(r.query(cloud.KindServiceAccount, q))
		return err
	})
	return list, next, err
}

// CreateUser creates a person from name, email, full name and role, and fills u
// in. Without a password the user logs in after a set-up link. For operators; a
// role on the installation is given by its admins only.
func (c *Control) CreateUser(ctx context.Context, r *Request, u *cloud.User, password string) error {
	*u = cloud.User{Name: u.Name, Email: u.Email, FullName: u.FullName, Role: u.Role}
	if err := r.allow(authz.Create, userTarget(u)); err == nil && password != "" { // only for them: hashing is work
		hash, err := c.hash(ctx, password)
		if err != nil {
			return err
		}
		u.PasswordHash = hash
	}
	return c.createUser(ctx, r, u)
}

// CreateServiceAccount creates a service account from account, name and full
// name, and fills u in. It has no rights until it gets a membership. For admins
// of the account.
func (c *Control) CreateServiceAccount(ctx context.Context, r *Request, u *cloud.User) error {
	if u.AccountID == "" {
		return cloud.FieldErrorf("account", "is required: a service account lives in one")
	}
	*u = cloud.User{Name: u.Name, FullName: u.FullName, AccountID: u.AccountID}
	return c.createUser(ctx, r, u)
}

func (c *Control) createUser(ctx context.Context, r *Request, u *cloud.User) error {
	action := string(u.Kind()) + ".create"
	return c.change(ctx, r, action, func(ch *change) error {
		if u.IsService() { // else a stranger would learn which accounts are there
			if err := r.permit(authz.Read, accountTarget(&cloud.Account{ID: u.AccountID}), string(u.AccountID)); err != nil {
				return err
			}
			if _, err := ch.active(u.AccountID); err != nil {
				return err
			}
		}
		if err := r.allow(authz.Create, userTarget(u)); err != nil {
			return err
		}
		if u.Role != "" {
			if err := r.allow(authz.Manage, userTarget(u)); err != nil {
				return err
			}
		}
		if err := u.Validate(); err != nil {
			return err
		}
		u.ID = cloud.NewID[cloud.UserID]()
		if err := ch.Tx.CreateUser(u); err != nil {
			return err
		}
		return ch.event(action, userSubject(u), nil, u)
	})
}

// UserUpdate is a change of a user or service account; nil leaves a field as it is.
type UserUpdate struct {
	Name     *string // with which the user logs in
	FullName *string
	Email    *string
	Role     *cloud.UserRole // on the installation
}

// UpdateUser changes a user or service account. People change their own full name
// and address (the address not where it links users to a provider's accounts), operators those and the name of users without a role on the installation, admins
// everything. The last admin of the installation keeps his role (Conflict).
func (c *Control) UpdateUser(ctx context.Context, r *Request, ref string, up UserUpdate) (*cloud.User, error) {
	return c.changeUser(ctx, r, ref, authz.Update, "update", func(ch *change, u *cloud.User) error {
		if up.Name != nil && *up.Name != u.Name {
			if err := r.permitUser(authz.Update, u, ref); err != nil { // also one's own name: others know one by it
				return err
			}
			u.Name = *up.Name
		}
		assign(&u.FullName, up.FullName)
		if up.Email != nil && *up.Email != u.Email && c.linksByEmail() { // it would be a way to another's account
			if err := r.permitUser(authz.Update, u, ref); err != nil {
				return err
			}
		}
		assign(&u.Email, up.Email)
		if up.Role != nil && *up.Role != u.Role {
			if !authz.Allowed(r.roles(userTarget(u)), authz.Manage, u.Kind()) {
				return cloud.Errorf(cloud.Denied, "you may not change the role of user %s; an admin of the installation could", u.Name)
			}
			if err := ch.notLastAdmin(u); err != nil {
				return err
			}
			u.Role = *up.Role
		}
		return u.Validate()
	})
}

// linksByEmail reports whether an address can make somebody the user that has it.
func (c *Control) linksByEmail() bool {
	return slices.ContainsFunc(c.SignIn, func(p cloud.SignInProvider) bool { return p.LinkByEmail })
}

// UnlinkUser ends that a person belongs to an account at an identity provider, and
// its sessions. For admins of the installation.
func (c *Control) UnlinkUser(ctx context.Context, r *Request, ref string) error {
	_, err := c.changeUser(ctx, r, ref, authz.Manage, "unlink", func(ch *change, u *cloud.User) error {
		if u.Issuer == "" {
			return cloud.Errorf(cloud.Conflict, "user %s belongs to no account at an identity provider", u.Name)
		}
		u.Issuer, u.Subject = "", ""
		return ch.EndSessionsOf(u.ID, "")
	})
	return err
}

// SetUserDisabled disables a user or service account, which ends its sessions
// and refuses its tokens, or enables it again. For admins: of the installation
// for people, of the account for service accounts.
func (c *Control) SetUserDisabled(ctx context.Context, r *Request, ref string, disabled bool) (*cloud.User, error) {
	verb := "enable"
	if disabled {
		verb = "disable"
	}
	return c.changeUser(ctx, r, ref, authz.Delete, verb, func(ch *change, u *cloud.User) error {
		if u.Disabled == disabled {
			return cloud.StateErrorf(verb+"d", "%s %s is %sd already", u.Kind(), u.Name, verb)
		}
		u.Disabled = disabled
		if !disabled {
			u.FailedLogins, u.LockedUntil = 0, 0
			return nil
		}
		if err := ch.notLastAdmin(u); err != nil {
			return err
		}
		return ch.EndSessionsOf(u.ID, "")
	})
}

// DeleteUser deletes a user or service account with its memberships, tokens and
// sessions. The last admin of the installation, and one who is the last admin of
// an account, cannot be deleted (Conflict).
func (c *Control) DeleteUser(ctx context.Context, r *Request, ref string) error {
	_, err := c.changeUser(ctx, r, ref, authz.Delete, "delete", func(ch *change, u *cloud.User) error {
		if err := ch.notLastAdmin(u); err != nil {
			return err
		}
		list, err := ch.MembershipsOf(u.ID)
		if err != nil {
			return err
		}
		for i := range list {
			if err := ch.notLastAccountAdmin(&list[i], u); err != nil {
				return err
			}
		}
		for _, end := range []func(cloud.UserID) error{ch.DeleteMembershipsOf, ch.DeleteTokensOf} {
			if err := end(u.ID); err != nil {
				return err
			}
		}
		now, err := ch.Now()
		u.DeletedAt, u.SetupHash = now, ""
		if err != nil {
			return err
		}
		return ch.EndSessionsOf(u.ID, "")
	})
	return err
}

// changeUser is what the changes of a user have in common.
func (c *Control) changeUser(ctx context.Context, r *Request, ref string, act authz.Action, verb string, fn func(ch *change, u *cloud.User) error) (*cloud.User, error) {
	var u *cloud.User
	err := c.change(ctx, r, "user."+verb, func(ch *change) (err error) {
		if u, err = findUser(ch.Tx, ref); err != nil {
			return err
		}
		if act == authz.Update && r.is(u.ID) {
			err = r.whole()
		} else {
			err = r.permitUser(act, u, ref)
		}
		if err != nil {
			return err
		}
		if u.IsService() {
			if _, err := ch.active(u.AccountID); err != nil {
				return err
			}
		}
		if err := ch.match(u.Kind(), u.Name, u.Version); err != nil {
			return err
		}
		before := *u
		if err := fn(ch, u); err != nil {
			return err
		}
		if err := ch.Tx.UpdateUser(u); err != nil {
			return err
		}
		ch.revoked()
		return ch.event(string(u.Kind())+"."+verb, userSubject(u), &before, u)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// notLastAdmin is a Conflict if nobody else is an enabled admin of the installation.
func (ch *change) notLastAdmin(u *cloud.User) error {
	if u.Role != cloud.InstallationAdmin {
		return nil
	}
	if err := ch.LockAdmins(); err != nil {
		return err
	}
	list, _, err := ch.People(store.Query{Limit: store.MaxLimit, Visible: store.Everything, Filter: []string{"role=" + string(cloud.InstallationAdmin)}})
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].ID != u.ID && !list[i].Disabled {
			return nil
		}
	}
	return cloud.Errorf(cloud.Conflict, "user %s is the last admin of the installation; make another one first", u.Name)
}
