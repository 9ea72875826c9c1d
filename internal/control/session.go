package control

import (
	"context"
	"crypto/rand"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

const (
	// sessionLife is how long a login holds, used or not.
	sessionLife = 12 * time.Hour
	// sessionPrefix marks the cookies' secrets: they are no API tokens.
	sessionPrefix = "atoll_session"

	// maxFailures in a row lock the user out for a minute, each more for twice as
	// long, up to maxLock.
	maxFailures = 10
	firstLock   = time.Minute
	maxLock     = time.Hour
)

// lockFor is how long a user is locked out after n failures in a row.
func lockFor(n int64) time.Duration {
	lock := firstLock
	for ; n > maxFailures && lock < maxLock; n-- {
		lock *= 2
	}
	return min(lock, maxLock)
}

// login is an attempt to log in.
type login struct {
	name, address, agent, requestID string
	code                            string // of the second factor; "" if none was given
	action                          string // login, or what else needed the password
	withCode                        bool   // a second factor that the user has is asked for
	provider                        string // the sign-in provider; "" for a password
}

// errLogin is the one answer to all logins that do not succeed: it tells nobody
// whether the user exists, has a password or is locked out.
func errLogin() error {
	return cloud.Errorf(cloud.Unauthenticated, "the name or the password is wrong, or there were too many wrong ones: then wait up to an hour")
}

// errCode is the answer to a right password without the code that is needed with
// it (field "") or with one that does not hold (field code).
func errCode(field string) error {
	e := cloud.Errorf(cloud.SecondFactor, "a code of your authenticator app is needed, or a recovery code")
	if field != "" {
		e.Field, e.Message = field, "is wrong, or was used already; wait for the next one"
	}
	return e
}

// authEvent is the audit record of a login or of what goes with it. A name that
// is no user's may be a password typed into the wrong field and is not kept.
func authEvent(in login, u *cloud.User, action string, outcome cloud.Outcome, message string) *cloud.Event {
	e := &cloud.Event{
		Class: cloud.ClassAuth, Actor: "anonymous", ActorName: "anonymous", RequestID: in.requestID, Address: in.address,
		SubjectKind: cloud.KindUser, Action: action, Outcome: outcome, Message: message,
	}
	if u != nil {
		e.SubjectID, e.SubjectName = string(u.ID), u.Name
		if outcome == cloud.OutcomeOK {
			e.Actor, e.ActorName = string(u.ID), u.Name
		}
	}
	return e
}

// Login is what somebody logs in with, and from where.
type Login struct {
	Name, Password string
	Code           string // of the second factor; "" if none was given
	Address, Agent string
}

// Login checks name and password and starts a session. The secret is the
// cookie's value, shown this once. Whatever is wrong, the answer is the same
// Unauthenticated, and takes the same work; only who knows the password is told
// that a code is needed too, or was wrong (SecondFactor), and that the user is
// disabled (Denied).
func (c *Control) Login(ctx context.Context, l Login) (secret string, s *cloud.Session, err error) {
	name, password := l.Name, l.Password
	in := login{name: name, address: l.Address, agent: l.Agent, code: l.Code, action: "login", withCode: true}
	var u *cloud.User
	err = c.view(ctx, func(tx *store.Tx) (err error) { u, err = tx.UserNamed("", name); return err })
	if err != nil && !cloud.Is(err, cloud.NotFound) {
		return "", nil, err
	}
	hash := ""
	if u != nil {
		hash = u.PasswordHash
	}
	ok, old, err := c.Passwords.Check(ctx, hash, password)
	if err != nil {
		return "", nil, busy(err)
	}
	fresh := ""
	if ok && old { // made with weaker parameters
		if fresh, err = c.Passwords.Hash(ctx, password); err != nil {
			return "", nil, busy(err)
		}
	}
	err = c.decide(ctx, in, u, ok, func(tx *store.Tx, now *cloud.User) error {
		if fresh != "" {
			now.PasswordHash = fresh
			if err := tx.UpdateUser(now); err != nil {
				return err
			}
		}
		secret, s, err = newSession(tx, in, now)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	return secret, s, nil
}

func newSession(tx *store.Tx, in login, u *cloud.User) (string, *cloud.Session, error) {
	now, err := tx.Now()
	if err != nil {
		return "", nil, err
	}
	const maxAgent = 200
	if len(in.agent) > maxAgent {
		in.agent = in.agent[:maxAgent]
	}
	secret, hash := pki.NewToken(sessionPrefix)
	s := &cloud.Session{
		ID: cloud.NewID[cloud.SessionID](), UserID: u.ID, Hash: hash, CSRF: rand.Text(), Address: in.address,
		UserAgent: clean(in.agent), ExpiresAt: now.Add(sessionLife), Provider: in.provider,
	}
	if err := tx.CreateSession(s); err != nil {
		return "", nil, err
	}
	if err := tx.LoggedIn(u.ID, now); err != nil {
		return "", nil, err
	}
	message := ""
	if in.provider != "" {
		message = "by " + in.provider
	}
	e := authEvent(in, u, in.action, cloud.OutcomeOK, message)
	e.Credential = string(s.ID)
	return secret, s, tx.AddEvent(e)
}

// decide does what follows from a checked password: good is called if it was
// right and the user may log in. The state of the user is read anew, so that
// many guesses at the same time are no more than as many one after the other.
func (c *Control) decide(ctx context.Context, in login, u *cloud.User, right bool, good func(tx *store.Tx, u *cloud.User) error) error {
	var answer error
	err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		answer, err = c.decideIn(tx, in, u, right, good)
		return err
	})
	if err != nil {
		return err
	}
	return answer
}

// decideIn returns the answer for the caller; the error undoes the transaction.
func (c *Control) decideIn(tx *store.Tx, in login, u *cloud.User, right bool, good func(tx *store.Tx, u *cloud.User) error) (answer, err error) {
	if u == nil {
		return errLogin(), tx.AddEvent(authEvent(in, nil, in.action, cloud.OutcomeRefused, "no such user"))
	}
	n, err := tx.LoginFailed(u.ID) // also locks the row; taken back if it did not fail
	if err != nil {
		return nil, err
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	was, fresh := u, (*cloud.User)(nil)
	if fresh, err = tx.User(u.ID); err != nil {
		return errLogin(), ignoreNotFound(err)
	}
	switch {
	case fresh.LockedUntil > now: // does not count: a guesser must not keep the user out for ever
		if err := tx.SetFailedLogins(u.ID, n-1); err != nil {
			return nil, err
		}
		return errLogin(), tx.AddEvent(authEvent(in, fresh, in.action, cloud.OutcomeRefused, "locked out"))
	case !right || fresh.PasswordHash != was.PasswordHash:
		return errLogin(), c.countFailure(tx, in, fresh, n, now, "wrong password")
	case in.withCode && fresh.HasSecondFactor() && in.code == "": // neither a failure nor the end of a row of them
		if err := tx.SetFailedLogins(u.ID, n-1); err != nil {
			return nil, err
		}
		return errCode(""), tx.AddEvent(authEvent(in, fresh, in.action, cloud.OutcomeRefused, "the password was right; a code is needed"))
	case in.withCode && fresh.HasSecondFactor():
		ok, err := c.useCode(tx, fresh, in.code, now)
		if err != nil {
			return nil, err
		}
		if !ok {
			return errCode("code"), c.countFailure(tx, in, fresh, n, now, "wrong code")
		}
	}
	if err := tx.SetFailedLogins(u.ID, 0); err != nil {
		return nil, err
	}
	fresh.FailedLogins = 0
	if fresh.Disabled {
		return cloud.Errorf(cloud.Denied, "user %s is disabled; ask an admin of the installation", fresh.Name),
			tx.AddEvent(authEvent(in, fresh, in.action, cloud.OutcomeRefused, "disabled"))
	}
	if good == nil {
		return nil, nil
	}
	return nil, good(tx, fresh)
}

func ignoreNotFound(err error) error {
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	return err
}

// countFailure audits the failure and locks the user out after too many.
func (c *Control) countFailure(tx *store.Tx, in login, u *cloud.User, n int64, now cloud.Time, what string) error {
	if err := tx.AddEvent(authEvent(in, u, in.action, cloud.OutcomeRefused, what)); err != nil {
		return err
	}
	if n < maxFailures {
		return nil
	}
	lock := lockFor(n)
	if err := tx.LockUser(u.ID, now.Add(lock)); err != nil {
		return err
	}
	return tx.AddEvent(authEvent(in, u, "user.lockout", cloud.OutcomeRefused, "locked out for "+lock.String()+" after too many wrong passwords or codes"))
}

// Logout ends the session of the request. A request with a token is Invalid.
func (c *Control) Logout(ctx context.Context, r *Request) error {
	if r.CSRF == "" {
		return cloud.Errorf(cloud.Invalid, "this request has a token and no session; delete the token instead")
	}
	return c.EndSession(ctx, r, cloud.SessionID(r.Credential))
}

// Sessions returns a page of the user's sessions: one's own, or anybody's for
// admins of the installation.
func (c *Control) Sessions(ctx context.Context, r *Request, user cloud.UserID, q store.Query) (list []cloud.Session, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		if err := r.permitSession(authz.Read, user, string(user)); err != nil {
			return err
		}
		list, next, err = tx.SessionsOf(user, q)
		return err
	})
	return list, next, err
}

func (r *Request) permitSession(a authz.Action, owner cloud.UserID, ref string) error {
	if r.is(owner) {
		return r.whole()
	}
	return r.permit(a, target{kind: cloud.KindSession, name: ref}, ref)
}

// EndSession logs a session out: one's own, or anybody's for admins of the
// installation.
func (c *Control) EndSession(ctx context.Context, r *Request, id cloud.SessionID) error {
	return c.change(ctx, r, "session.delete", func(ch *change) error {
		s, err := ch.Session(id)
		if err != nil {
			return err
		}
		if err := r.permitSession(authz.Delete, s.UserID, string(id)); err != nil {
			return err
		}
		if s.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateSession(s); err != nil {
			return err
		}
		ch.revoked()
		return ch.event("session.delete", subject{kind: cloud.KindSession, id: string(id), name: s.Address}, nil, nil)
	})
}
