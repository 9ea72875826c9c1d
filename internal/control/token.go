package control

import (
	"context"
	"slices"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// tokenPrefix marks API tokens for people and for scanners of secrets.
const tokenPrefix = "atoll"

func tokenSubject(u *cloud.User, t *cloud.Token) subject {
	return subject{kind: cloud.KindToken, id: string(t.ID), name: u.Name + "/" + t.Name, account: u.AccountID}
}

// permitToken refuses callers who may not do it with the user's tokens: those of
// people are their own, and admins of the installation may see and delete them;
// those of service accounts belong to the admins of the account.
func (r *Request) permitToken(a authz.Action, u *cloud.User, ref string) error {
	switch {
	case r.is(u.ID):
		return nil
	case u.IsService():
		who := *r
		who.ReadOnly = r.ReadOnly && a != authz.Read // to look at them is for who manages them, by any token
		return who.permitUser(authz.Manage, u, ref)
	case a == authz.Create && authz.Allowed(r.roles(target{kind: cloud.KindToken}), a, cloud.KindToken):
		return cloud.Errorf(cloud.Denied, "user %s makes tokens himself; for programs, make a service account", u.Name)
	case r.allow(authz.Read, userTarget(u)) == nil: // one knows of the user, but not of his tokens
		return r.allow(a, target{kind: cloud.KindToken, name: "of user " + u.Name})
	}
	return cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindUser, ref)
}

// reaches reports whether the caller's own token, which may be limited to one
// account, reaches a token of the user: its own limit is the same, or the user is
// that account's.
func (r *Request) reaches(u *cloud.User, t *cloud.Token) bool {
	return r.Account == "" || r.Account == t.AccountID || r.Account == u.AccountID
}

// Tokens returns a page of the user's tokens: one's own, those of a service
// account for admins of its account, anybody's for admins of the installation.
func (c *Control) Tokens(ctx context.Context, r *Request, user cloud.UserID, q store.Query) (list []cloud.Token, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		u, err := tx.User(user)
		if err != nil {
			return err
		}
		if err := r.permitToken(authz.Read, u, string(user)); err != nil {
			return err
		}
		if r.Account != "" && r.Account != u.AccountID { // see reaches
			q.Filter = append(slices.Clip(q.Filter), "account="+string(r.Account))
		}
		list, next, err = tx.TokensOf(user, q)
		return err
	})
	return list, next, err
}

// Token returns the token with the id, or with the name among the user's, if the
// caller may see it.
func (c *Control) Token(ctx context.Context, r *Request, user cloud.UserID, ref string) (*cloud.Token, error) {
	var t *cloud.Token
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if cloud.IsID(ref) {
			t, err = tx.Token(cloud.TokenID(ref))
		} else {
			t, err = tx.TokenNamed(user, ref)
		}
		if err != nil {
			return err
		}
		return r.permitFoundToken(tx, authz.Read, t, ref)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// permitFoundToken is permitToken for a token that was named itself.
func (r *Request) permitFoundToken(tx *store.Tx, a authz.Action, t *cloud.Token, ref string) error {
	u, err := tx.User(t.UserID)
	if err != nil {
		return err
	}
	if r.permitToken(a, u, ref) != nil || !r.reaches(u, t) {
		return cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindToken, ref)
	}
	return nil
}

// CreateToken creates a token of the user from name, scope, account and expiry,
// fills t in and returns the secret, which is kept nowhere. Each may make his
// own, admins of an account those of its service accounts. A token that makes
// another passes its own limits on.
func (c *Control) CreateToken(ctx context.Context, r *Request, user cloud.UserID, t *cloud.Token) (secret string, err error) {
	*t = cloud.Token{Name: t.Name, Scope: t.Scope, AccountID: t.AccountID, ExpiresAt: t.ExpiresAt}
	given := *t
	err = c.change(ctx, r, "token.create", func(ch *change) error {
		*t = given
		u, err := ch.User(user)
		if err != nil {
			return err
		}
		if err := r.permitToken(authz.Create, u, string(user)); err != nil {
			return err
		}
		if u.IsService() {
			if _, err := ch.active(u.AccountID); err != nil {
				return err
			}
		}
		if t.Scope == "" {
			t.Scope = cloud.TokenScopeFull
		}
		if err := t.Validate(); err != nil {
			return err
		}
		if err := ch.narrow(t); err != nil {
			return err
		}
		if err := ch.tokenAccount(u, t); err != nil {
			return err
		}
		secret, err = ch.addToken(u, t)
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

func (ch *change) addToken(u *cloud.User, t *cloud.Token) (secret string, err error) {
	t.ID, t.UserID = cloud.NewID[cloud.TokenID](), u.ID
	secret, t.Hash = pki.NewToken(tokenPrefix)
	if err := ch.Tx.CreateToken(t); err != nil {
		return "", err
	}
	return secret, ch.event("token.create", tokenSubject(u, t), nil, t)
}

// narrow keeps a new token within the installation's longest life and within the
// token that makes it: what a stolen token makes must not outlive or outreach it.
func (ch *change) narrow(t *cloud.Token) error {
	now, err := ch.Now()
	if err != nil {
		return err
	}
	if t.ExpiresAt != 0 && t.ExpiresAt <= now {
		return cloud.FieldErrorf("expires_at", "lies in the past")
	}
	asked := t.ExpiresAt
	if limit := ch.c.MaxTokenAge; limit != 0 {
		if asked > now.Add(limit) {
			return cloud.FieldErrorf("expires_at", "a token of this installation lives %s at most", limit)
		}
		if asked == 0 {
			t.ExpiresAt = now.Add(limit)
		}
	}
	if ch.r.CSRF != "" || ch.r.Credential == "" { // a session, or the controller itself
		return nil
	}
	maker, err := ch.Token(cloud.TokenID(ch.r.Credential))
	if cloud.Is(err, cloud.NotFound) {
		return errCredential() // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if t.AccountID == "" {
		t.AccountID = maker.AccountID
	}
	if maker.AccountID != "" && t.AccountID != maker.AccountID {
		return cloud.Errorf(cloud.Denied, "the token that you use is limited to another account; use one that is not, or log in")
	}
	switch {
	case maker.ExpiresAt == 0:
	case asked > maker.ExpiresAt:
		return cloud.FieldErrorf("expires_at", "the token that you use expires at %s, and one that it makes cannot live longer; log in to make it",
			maker.ExpiresAt.Time().Format(time.RFC3339))
	case asked == 0 && (t.ExpiresAt == 0 || t.ExpiresAt > maker.ExpiresAt):
		t.ExpiresAt = maker.ExpiresAt
	}
	return nil
}

// tokenAccount checks the account that a token is to be limited to.
func (ch *change) tokenAccount(u *cloud.User, t *cloud.Token) error {
	if t.AccountID == "" {
		return nil
	}
	if u.IsService() && t.AccountID != u.AccountID {
		return cloud.FieldErrorf("account", "service account %s has rights in its own account only", u.Name)
	}
	a, err := ch.Account(t.AccountID)
	if err != nil {
		return err
	}
	for i := range ch.r.Memberships { // a role on a cloudspace in it is enough
		if ch.r.Memberships[i].AccountID == a.ID {
			return nil
		}
	}
	return ch.r.permit(authz.Read, accountTarget(a), string(a.ID))
}

// DeleteToken deletes a token: one's own, a service account's for admins of its
// account, anybody's for admins of the installation.
func (c *Control) DeleteToken(ctx context.Context, r *Request, id cloud.TokenID) error {
	return c.change(ctx, r, "token.delete", func(ch *change) error {
		t, err := ch.Token(id)
		if err != nil {
			return err
		}
		if err := r.permitFoundToken(ch.Tx, authz.Delete, t, string(id)); err != nil {
			return err
		}
		u, err := ch.User(t.UserID)
		if err != nil {
			return err
		}
		if t.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateToken(t); err != nil {
			return err
		}
		ch.revoked()
		return ch.event("token.delete", tokenSubject(u, t), t, nil)
	})
}
