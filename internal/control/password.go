package control

import (
	"context"
	"errors"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// setupLife is how long a one-time link may be used.
const setupLife = 24 * time.Hour

// setupPrefix marks the secrets of one-time links for people and scanners.
const setupPrefix = "atoll_setup"

// hash checks a new password against the rules and hashes it. It takes its time:
// never within a transaction.
func (c *Control) hash(ctx context.Context, password string) (string, error) {
	if err := cloud.ValidatePassword(password); err != nil {
		return "", err
	}
	h, err := c.Passwords.Hash(ctx, password)
	return h, busy(err)
}

// busy makes the end of a caller's wait for its turn an error for people.
func busy(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return cloud.Wrap(cloud.Timeout, err, "too many logins are being checked; try again")
	}
	return err
}

// SetPassword sets a person's password and ends the person's other sessions. For
// one's own the old one is needed, and a wrong one counts as a failed login;
// admins of the installation set anybody's.
func (c *Control) SetPassword(ctx context.Context, r *Request, ref, old, password string) error {
	var u *cloud.User
	err := c.view(ctx, func(tx *store.Tx) (err error) { u, err = findUser(tx, ref); return err })
	if err != nil {
		return err
	}
	id, own := u.ID, r.is(u.ID)
	if own {
		err = c.checkOwn(ctx, r, u, "user.password", "old_password", old)
	} else { // who is not allowed must not make us hash
		err = r.mayReset(u, ref)
	}
	if err != nil {
		if cloud.Is(err, cloud.Denied) && !r.DryRun {
			c.refused(ctx, r, "user.password", err)
		}
		return err
	}
	hash, err := c.hash(ctx, password)
	if err != nil {
		return err
	}
	return c.change(ctx, r, "user.password", func(ch *change) error {
		u, err := ch.User(id)
		if err != nil {
			return err
		}
		before := *u
		var keep cloud.SessionID
		if own {
			keep = cloud.SessionID(r.Credential)
		}
		if err := ch.givePassword(u, hash, keep); err != nil {
			return err
		}
		return ch.event("user.password", userSubject(u), &before, u)
	})
}

// givePassword writes the new password, which ends set-up links, lockouts and
// all sessions but the one to keep.
func (ch *change) givePassword(u *cloud.User, hash string, keep cloud.SessionID) error {
	if err := hasPassword(u); err != nil {
		return err
	}
	u.PasswordHash, u.SetupHash, u.SetupExpires = hash, "", 0
	u.FailedLogins, u.LockedUntil = 0, 0
	if err := ch.Tx.UpdateUser(u); err != nil {
		return err
	}
	ch.revoked()
	return ch.EndSessionsOf(u.ID, keep)
}

// mayReset refuses callers who may not set the user's password.
func (r *Request) mayReset(u *cloud.User, ref string) error {
	if err := r.permitUser(authz.Manage, u, ref); err != nil {
		return err
	}
	return hasPassword(u)
}

// hasPassword refuses service accounts.
func hasPassword(u *cloud.User) error {
	if !u.IsService() {
		return nil
	}
	return cloud.Errorf(cloud.Invalid, "service account %s has no password; make a token for it", u.Name)
}

// checkOwn checks the caller's present password, which the field holds.
func (c *Control) checkOwn(ctx context.Context, r *Request, u *cloud.User, action, field, old string) error {
	if err := r.whole(); err != nil {
		return err
	}
	if r.ReadOnly {
		return cloud.Errorf(cloud.Denied, "this token may only read; make one with the scope full")
	}
	if u.PasswordHash == "" {
		return cloud.Errorf(cloud.Conflict, "you have no password yet; an admin of the installation can give you a set-up link")
	}
	ok, _, err := c.Passwords.Check(ctx, u.PasswordHash, old)
	if err != nil {
		return busy(err)
	}
	in := login{name: u.Name, address: r.Address, requestID: r.ID, action: action}
	if err := c.decide(ctx, in, u, ok, nil); cloud.Is(err, cloud.Unauthenticated) {
		return cloud.FieldErrorf(field, "is wrong, or you are locked out after too many wrong ones")
	} else if err != nil {
		return err
	}
	return nil
}

// NewSetupLink returns a secret with which the person can set a password once,
// and when it expires; an older one ends. For operators; for users with a role on
// the installation its admins only.
func (c *Control) NewSetupLink(ctx context.Context, r *Request, ref string) (secret string, expires cloud.Time, err error) {
	err = c.change(ctx, r, "user.setup-link", func(ch *change) error {
		u, err := findUser(ch.Tx, ref)
		if err != nil {
			return err
		}
		if err := r.permitUser(authz.Update, u, ref); err != nil {
			return err
		}
		if err := hasPassword(u); err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		before := *u
		secret, u.SetupHash = pki.NewToken(setupPrefix)
		expires = now.Add(setupLife)
		u.SetupExpires = expires
		if err := ch.Tx.UpdateUser(u); err != nil {
			return err
		}
		return ch.event("user.setup-link", userSubject(u), &before, u)
	})
	if err != nil {
		return "", 0, err
	}
	return secret, expires, nil
}

// UseSetupLink sets the password of the person that the link was made for and
// returns the user's name. A link holds once and for a day; Unauthenticated says
// that it does not.
func (c *Control) UseSetupLink(ctx context.Context, secret, password, address string) (name string, err error) {
	if err := c.view(ctx, func(tx *store.Tx) error { _, err := setupUser(tx, secret); return err }); err != nil {
		return "", err
	}
	hash, err := c.hash(ctx, password)
	if err != nil {
		return "", err
	}
	r := System("set-up link")
	r.Address = address
	err = c.change(ctx, r, "user.setup", func(ch *change) error {
		u, err := setupUser(ch.Tx, secret)
		if err != nil {
			return err
		}
		name = u.Name
		if err := ch.givePassword(u, hash, ""); err != nil {
			return err
		}
		return ch.AddEvent(authEvent(login{name: name, address: address}, u, "user.setup", cloud.OutcomeOK, "password set with a set-up link"))
	})
	return name, err
}

func setupUser(tx *store.Tx, secret string) (*cloud.User, error) {
	bad := cloud.Errorf(cloud.Unauthenticated, "this link was used or has expired; ask an operator for a new one")
	u, err := tx.UserBySetup(pki.HashToken(secret))
	if cloud.Is(err, cloud.NotFound) {
		return nil, bad
	}
	if err != nil {
		return nil, err
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	if u.SetupExpires <= now || u.Disabled {
		return nil, bad
	}
	return u, nil
}
