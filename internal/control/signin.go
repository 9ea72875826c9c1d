package control

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// signInTime is how long a person may take at the identity provider.
const signInTime = 10 * time.Minute

// keepStates is how long a sign-in that came back is remembered: longer than it holds.
const keepStates = time.Hour

// SignInFlow is a sign-in through a provider on its way. It goes with the browser,
// sealed: no other browser can end it, and controllers need not remember it.
type SignInFlow struct {
	Provider string
	State    string // comes back from the provider with the browser
	Nonce    string // comes back in the provider's token
	Verifier string // of PKCE: shows that who redeems the code is who asked for it
	ReturnTo string // path in the portal
	Expires  cloud.Time
}

const flowPlace = "sign-in flow"

// SealFlow returns the flow for the browser's cookie, and how long it holds.
func (c *Control) SealFlow(f SignInFlow) (sealed string, life time.Duration, err error) {
	f.Expires = cloud.Now().Add(signInTime)
	text, err := json.Marshal(f)
	if err != nil {
		return "", 0, err
	}
	return c.inst.values.Seal(string(text), flowPlace), signInTime, nil
}

// OpenFlow returns the flow that the browser brought back with the state, and uses
// it up. Unauthenticated says that it was not begun in this browser, is too old, or
// came back before; that is in the audit log then.
func (c *Control) OpenFlow(ctx context.Context, sealed, provider, state, address string) (*SignInFlow, error) {
	f := &SignInFlow{}
	text, err := c.inst.values.Open(sealed, flowPlace)
	if err == nil {
		err = json.Unmarshal([]byte(text), f)
	}
	reason := ""
	switch {
	case err != nil:
		reason = "it was not begun in this browser"
	case f.Provider != provider || subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) != 1:
		reason = "its state is not the one that was sent"
	case f.Expires <= cloud.Now():
		reason = "it took too long"
	default:
		var first bool
		err := c.DB.Update(ctx, func(tx *store.Tx) (err error) { first, err = tx.UseState(pki.HashToken(f.State)); return err })
		if err != nil {
			return nil, err
		}
		if first {
			return f, nil
		}
		reason = "it came back before"
	}
	return nil, c.RefuseSignIn(ctx, provider, address, cloud.Errorf(cloud.Unauthenticated, "the sign-in does not hold: %s; begin again", reason))
}

// RefuseSignIn records that a sign-in through a provider came to nothing before it
// was known whose it is, and returns the reason.
func (c *Control) RefuseSignIn(ctx context.Context, provider, address string, cause error) error {
	err := c.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.AddEvent(authEvent(login{address: address}, nil, "login", cloud.OutcomeRefused, "by "+provider+": "+cloud.UserMessage(cause)))
	})
	if err != nil {
		c.Log.Error("record a refused sign-in", "provider", provider, "err", err)
	}
	return cause
}

func (c *Control) signInProvider(name string) (*cloud.SignInProvider, error) {
	i := slices.IndexFunc(c.SignIn, func(p cloud.SignInProvider) bool { return p.Name == name })
	if i < 0 {
		return nil, cloud.Errorf(cloud.NotFound, "there is no sign-in provider %s", name)
	}
	return &c.SignIn[i], nil
}

// LoginIdentity starts a session for the person that a provider vouches for. By the
// provider's rules it makes or links the user and sets its roles. Denied says that
// the person may not sign in; why is in the audit log.
func (c *Control) LoginIdentity(ctx context.Context, provider string, id cloud.Identity, address, agent string) (secret string, s *cloud.Session, err error) {
	p, err := c.signInProvider(provider)
	if err != nil {
		return "", nil, err
	}
	r := System("sign-in by " + p.Name)
	r.Address = address
	in := login{address: address, agent: agent, action: "login", provider: p.Name}
	var refusal error
	err = c.change(ctx, r, "login", func(ch *change) error {
		refuse := func(u *cloud.User, reason string) error {
			refusal = cloud.Errorf(cloud.Denied, "you may not sign in by %s: %s", p.Name, reason)
			return ch.AddEvent(authEvent(in, u, in.action, cloud.OutcomeRefused, "by "+p.Name+": "+reason))
		}
		refusal = nil
		u, reason, err := ch.personOf(p, &id)
		if err != nil {
			return err
		}
		if reason != "" {
			return refuse(u, reason)
		}
		if err := ch.follow(p, u, id.Groups); err != nil {
			return err
		}
		secret, s, err = newSession(ch.Tx, in, u)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return "", nil, err
	}
	return secret, s, nil
}

// personOf finds, links or makes the user. The reason says why the person may not
// sign in, "" if it may.
func (ch *change) personOf(p *cloud.SignInProvider, id *cloud.Identity) (u *cloud.User, reason string, err error) {
	u, err = ch.UserOfIdentity(id.Issuer, id.Subject)
	if err != nil && !cloud.Is(err, cloud.NotFound) {
		return nil, "", err
	}
	if reason, ok := p.Admits(id); !ok {
		return u, reason, nil
	}
	if u == nil && p.LinkByEmail && id.EmailVerified && id.Email != "" {
		if u, reason, err = ch.link(id); err != nil || reason != "" {
			return u, reason, err
		}
	}
	if u == nil && p.CreateUsers {
		if u, reason, err = ch.createPerson(id); err != nil || reason != "" {
			return nil, reason, err
		}
	}
	switch {
	case u == nil:
		return nil, "no user of the installation belongs to this account", nil
	case u.Disabled:
		return u, "user " + u.Name + " is disabled", nil
	}
	return u, "", nil
}

// link makes the one user with the address the one of the account at the provider.
func (ch *change) link(id *cloud.Identity) (*cloud.User, string, error) {
	list, err := ch.PeopleWithEmail(id.Email)
	if err != nil || len(list) == 0 {
		return nil, "", err
	}
	u := &list[0]
	switch {
	case len(list) > 1:
		return nil, "several users have its address", nil
	case u.Issuer != "":
		return u, "user " + u.Name + ", who has its address, belongs to another account", nil
	case u.Disabled:
		return u, "user " + u.Name + " is disabled", nil
	}
	before := *u
	u.Issuer, u.Subject = id.Issuer, id.Subject
	if err := ch.Tx.UpdateUser(u); err != nil {
		return nil, "", err
	}
	return u, "", ch.event("user.link", userSubject(u), &before, u)
}

// createPerson makes a user of the account at the provider.
func (ch *change) createPerson(id *cloud.Identity) (*cloud.User, string, error) {
	u := &cloud.User{
		ID: cloud.NewID[cloud.UserID](), Name: strings.ToLower(id.Name), FullName: clean(id.FullName), Issuer: id.Issuer, Subject: id.Subject,
	}
	if id.EmailVerified {
		u.Email = id.Email
	}
	if err := u.Validate(); err != nil {
		return nil, "it makes no user: " + cloud.UserMessage(err), nil
	}
	switch _, err := ch.UserNamed("", u.Name); {
	case err == nil:
		return nil, "the name " + u.Name + " is another user's", nil
	case !cloud.Is(err, cloud.NotFound):
		return nil, "", err
	}
	if err := ch.Tx.CreateUser(u); err != nil {
		return nil, "", err
	}
	return u, "", ch.event("user.create", userSubject(u), nil, u)
}

// follow gives the user the roles that its groups give, and takes those away that
// they gave before.
func (ch *change) follow(p *cloud.SignInProvider, u *cloud.User, groups []string) error {
	if role := p.RoleOf(groups); len(p.Roles) > 0 && role != u.Role {
		if err := ch.followRole(u, role); err != nil {
			return err
		}
	}
	have, err := ch.MembershipsOf(u.ID)
	if err != nil {
		return err
	}
	want, err := ch.membershipsBy(p, u, groups)
	if err != nil {
		return err
	}
	for i := range have {
		if err := ch.followHad(p, u, &have[i], want); err != nil {
			return err
		}
	}
	for _, m := range want {
		if err := ch.Tx.CreateMembership(m); err != nil {
			return err
		}
		if err := ch.membershipEvent("membership.create", u, nil, m); err != nil {
			return err
		}
	}
	return nil
}

// followRole changes the role on the installation. The last admin stays one: the
// provider must not lock everybody out.
func (ch *change) followRole(u *cloud.User, role cloud.UserRole) error {
	if err := ch.notLastAdmin(u); cloud.Is(err, cloud.Conflict) {
		ch.c.Log.Warn("a sign-in provider's groups do not make this user an admin, who is the last one and stays it", "user", u.Name)
		return nil
	} else if err != nil {
		return err
	}
	before := *u
	u.Role = role
	if err := ch.Tx.UpdateUser(u); err != nil {
		return err
	}
	ch.revoked()
	return ch.event("user.update", userSubject(u), &before, u)
}

// whereOf is what a membership is about.
func whereOf(m *cloud.Membership) string {
	return string(m.AccountID) + "/" + string(m.CloudspaceID) + "/" + string(m.MachineID) + "/" + string(m.ProjectID)
}

// membershipsBy returns the memberships that the groups give, by their scopes, the
// strongest role for each. Accounts and projects that are not there give none.
func (ch *change) membershipsBy(p *cloud.SignInProvider, u *cloud.User, groups []string) (map[string]*cloud.Membership, error) {
	want := map[string]*cloud.Membership{}
	for _, g := range p.Memberships {
		if !slices.Contains(groups, g.Group) {
			continue
		}
		a, err := ch.AccountNamed(g.Account)
		if err == nil && a.State != cloud.AccountActive {
			continue
		}
		m := &cloud.Membership{ID: cloud.NewID[cloud.MembershipID](), UserID: u.ID, Role: g.Role, Provider: p.Name}
		if err == nil {
			m.AccountID = a.ID
			if g.Project != "" {
				var o *cloud.Project
				if o, err = ch.ProjectNamed(a.ID, g.Project); err == nil {
					m.ProjectID = o.ID
				}
			}
		}
		if cloud.Is(err, cloud.NotFound) {
			ch.c.Log.Warn("a sign-in provider's group has a role on what is not there", "provider", p.Name, "account", g.Account, "project", g.Project)
			continue
		}
		if err != nil {
			return nil, err
		}
		if has := want[whereOf(m)]; has == nil || slices.Index(cloud.ScopeRoles, m.Role) < slices.Index(cloud.ScopeRoles, has.Role) {
			want[whereOf(m)] = m
		}
	}
	return want, nil
}

// followHad keeps, changes or ends a membership that the user has, and takes its
// scope out of what is still wanted. Those that people gave stay as they are.
func (ch *change) followHad(p *cloud.SignInProvider, u *cloud.User, m *cloud.Membership, want map[string]*cloud.Membership) error {
	w := want[whereOf(m)]
	delete(want, whereOf(m))
	if m.Provider != p.Name || w != nil && w.Role == m.Role {
		return nil
	}
	if w == nil || w.Role != cloud.ScopeAdmin {
		if err := ch.notLastAccountAdmin(m, u); cloud.Is(err, cloud.Conflict) {
			ch.c.Log.Warn("a sign-in provider's groups do not make this user an admin of the account, whose last one it is and stays", "user", u.Name)
			return nil
		} else if err != nil {
			return err
		}
	}
	before := *m
	if w != nil {
		m.Role = w.Role
		if err := ch.Tx.UpdateMembership(m); err != nil {
			return err
		}
		return ch.membershipEvent("membership.update", u, &before, m)
	}
	var err error
	if m.DeletedAt, err = ch.Now(); err != nil {
		return err
	}
	if err := ch.Tx.UpdateMembership(m); err != nil {
		return err
	}
	return ch.membershipEvent("membership.delete", u, &before, nil)
}
