package control

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

const (
	// nRecoveryCodes are given at a time.
	nRecoveryCodes = 10
	// recoveryCode is the length of one, 5 random bits for each character.
	recoveryCode = 16
	// freshLogin is how old a login may be to count as the password's proof.
	freshLogin = 10 * time.Minute
)

// totpPlace is what a secret of codes by time is sealed for.
func totpPlace(u cloud.UserID) string { return "totp of " + string(u) }

// useCode checks a code of the user's second factor, or a recovery code, and uses
// it up: it never holds again. The user's row is locked and fresh.
func (c *Control) useCode(tx *store.Tx, u *cloud.User, code string, now cloud.Time) (ok bool, err error) {
	code = plainCode(code)
	if len(code) == recoveryCode {
		hash := pki.HashToken(code)
		i := slices.Index(u.RecoveryCodes, hash)
		if i < 0 {
			return false, nil
		}
		u.RecoveryCodes = slices.Delete(slices.Clone(u.RecoveryCodes), i, i+1)
		return true, tx.UsedCode(u)
	}
	secret, err := c.inst.values.Open(u.TOTPSecret, totpPlace(u.ID))
	if err != nil {
		return false, err
	}
	step, ok := pki.CheckTOTP(secret, code, now.Time(), u.TOTPStep)
	if !ok {
		return false, nil
	}
	u.TOTPStep = step
	return true, tx.UsedCode(u)
}

// plainCode leaves out how people and apps divide codes.
func plainCode(code string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
}

// newRecoveryCodes gives the user new recovery codes in place of all earlier ones.
func newRecoveryCodes(u *cloud.User) (shown []string) {
	u.RecoveryCodes = nil
	for range nRecoveryCodes {
		code := strings.ToLower(rand.Text())[:recoveryCode]
		u.RecoveryCodes = append(u.RecoveryCodes, pki.HashToken(code))
		shown = append(shown, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
	}
	return shown
}

// mayOwnFactor refuses those who have no second factor of their own to care for.
func (r *Request) mayOwnFactor() error {
	if err := r.whole(); err != nil {
		return err
	}
	switch {
	case r.ReadOnly:
		return cloud.Errorf(cloud.Denied, "this token may only read; make one with the scope full")
	case r.User.IsService():
		return hasPassword(r.User)
	}
	return nil
}

// EnrolTOTP makes a new secret for codes by time, which counts once ConfirmTOTP
// got a code of it. The password is needed if the login is not fresh, and a code
// if there is a second factor already. Conflict if the caller has no password: the
// second factor of who signs in through a provider is the provider's.
func (c *Control) EnrolTOTP(ctx context.Context, r *Request, password, code string) (secret, uri string, err error) {
	const action = "user.totp-enrol"
	if err := r.mayOwnFactor(); err != nil {
		return "", "", err
	}
	var u *cloud.User
	var settings *cloud.Settings
	err = c.view(ctx, func(tx *store.Tx) (err error) {
		if u, err = tx.User(r.User.ID); err != nil {
			return err
		}
		settings, err = tx.Settings()
		return err
	})
	if err != nil {
		return "", "", err
	}
	switch {
	case u.PasswordHash == "":
		return "", "", cloud.Errorf(cloud.Conflict, "you have no password, so that no code would be asked for with it; the second factor of a sign-in provider is set up there")
	case r.SignedInAt == 0 || r.Provider != "" || cloud.Now().Sub(r.SignedInAt) > freshLogin:
		if password == "" {
			return "", "", cloud.FieldErrorf("password", "is required: your sign-in is older than %s", freshLogin)
		}
		if err := c.checkOwn(ctx, r, u, action, "password", password); err != nil {
			return "", "", err
		}
	}
	name := settings.DisplayName
	if name == "" {
		name = cloud.DefaultDisplayName
	}
	err = c.withCode(ctx, r, action, code, func(ch *change, u *cloud.User) error {
		secret = pki.NewTOTPSecret()
		uri = pki.TOTPURI(name, u.Name, secret)
		u.TOTPPending = c.inst.values.Seal(secret, totpPlace(u.ID))
		return nil
	})
	if err != nil {
		return "", "", err
	}
	return secret, uri, nil
}

// withCode changes the caller's own user. If there is a second factor, a code of
// it is needed; a wrong one counts as a failed login.
func (c *Control) withCode(ctx context.Context, r *Request, action, code string, fn func(ch *change, u *cloud.User) error) error {
	in := login{name: r.User.Name, address: r.Address, requestID: r.ID, action: action, code: code, withCode: true}
	var answer error
	err := c.change(ctx, r, action, func(ch *change) error {
		was, err := ch.User(r.User.ID)
		if err != nil {
			return err
		}
		good := func(tx *store.Tx, u *cloud.User) error {
			before := *u
			if err := fn(ch, u); err != nil {
				return err
			}
			if err := tx.UpdateUser(u); err != nil {
				return err
			}
			ch.revoked()
			return ch.event(action, userSubject(u), &before, u)
		}
		if !was.HasSecondFactor() {
			return good(ch.Tx, was)
		}
		answer, err = c.decideIn(ch.Tx, in, was, true, good)
		return err
	})
	switch {
	case err != nil:
		return err
	case cloud.Is(answer, cloud.SecondFactor) && code == "":
		return cloud.FieldErrorf("code", "is required: a code of your authenticator app, or a recovery code")
	case cloud.Is(answer, cloud.SecondFactor), cloud.Is(answer, cloud.Unauthenticated):
		return cloud.FieldErrorf("code", "is wrong, was used already, or you are locked out after too many wrong ones")
	}
	return answer
}

// ConfirmTOTP makes the secret of EnrolTOTP the caller's second factor if the code
// is one of it, and returns new recovery codes. Conflict if no enrolment is under way.
func (c *Control) ConfirmTOTP(ctx context.Context, r *Request, code string) (recovery []string, err error) {
	if err := r.mayOwnFactor(); err != nil {
		return nil, err
	}
	const action = "user.totp-enable"
	err = c.change(ctx, r, action, func(ch *change) error {
		u, err := ch.User(r.User.ID)
		if err != nil {
			return err
		}
		if u.TOTPPending == "" {
			return cloud.Errorf(cloud.Conflict, "no enrolment of a second factor is under way; begin one first")
		}
		secret, err := c.inst.values.Open(u.TOTPPending, totpPlace(u.ID))
		if err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		step, ok := pki.CheckTOTP(secret, plainCode(code), now.Time(), 0)
		if !ok {
			return cloud.FieldErrorf("code", "is wrong; is the clock of your device right?")
		}
		before := *u
		u.TOTPSecret, u.TOTPPending, u.TOTPStep = u.TOTPPending, "", step
		recovery = newRecoveryCodes(u)
		if err := ch.Tx.UpdateUser(u); err != nil {
			return err
		}
		ch.revoked()
		return ch.event(action, userSubject(u), &before, u)
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

// NewRecoveryCodes gives the caller new recovery codes for a code; earlier ones end.
func (c *Control) NewRecoveryCodes(ctx context.Context, r *Request, code string) (recovery []string, err error) {
	if err := r.mayOwnFactor(); err != nil {
		return nil, err
	}
	err = c.withCode(ctx, r, "user.recovery-codes", code, func(_ *change, u *cloud.User) error {
		if !u.HasSecondFactor() {
			return errNoFactor(u)
		}
		recovery = newRecoveryCodes(u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

func errNoFactor(u *cloud.User) error {
	return cloud.Errorf(cloud.Conflict, "user %s has no second factor", u.Name)
}

// DisableTOTP ends the caller's second factor for a code. Conflict if the settings
// want one of the caller.
func (c *Control) DisableTOTP(ctx context.Context, r *Request, code string) error {
	if err := r.mayOwnFactor(); err != nil {
		return err
	}
	return c.withCode(ctx, r, "user.totp-disable", code, func(ch *change, u *cloud.User) error {
		settings, err := ch.Settings()
		switch {
		case err != nil:
			return err
		case !u.HasSecondFactor():
			return errNoFactor(u)
		case settings.WantsSecondFactor(u):
			return cloud.Errorf(cloud.Conflict, "this installation wants a second factor of you; you can replace it, not end it")
		}
		dropFactor(u)
		return nil
	})
}

func dropFactor(u *cloud.User) { u.TOTPSecret, u.TOTPPending, u.RecoveryCodes = "", "", nil }

// ResetTOTP ends a person's second factor and sessions, for who lost the device and
// the recovery codes. For admins of the installation; one's own only with a token.
func (c *Control) ResetTOTP(ctx context.Context, r *Request, ref string) error {
	_, err := c.changeUser(ctx, r, ref, authz.Manage, "totp-reset", func(ch *change, u *cloud.User) error {
		switch {
		case r.is(u.ID) && r.CSRF != "":
			return cloud.Errorf(cloud.Invalid, "end your own second factor with a code, or with an API token")
		case !u.HasSecondFactor() && u.TOTPPending == "":
			return errNoFactor(u)
		}
		dropFactor(u)
		return ch.EndSessionsOf(u.ID, "")
	})
	return err
}

// SecondFactor is the state of a user's second factor.
type SecondFactor struct {
	Enabled, Required bool
	RecoveryCodes     int // that were not used
}

// SecondFactor returns the state of the caller's second factor.
func (c *Control) SecondFactor(ctx context.Context, r *Request) (f SecondFactor, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		u, err := tx.User(r.User.ID)
		if err != nil {
			return err
		}
		settings, err := tx.Settings()
		if err != nil {
			return err
		}
		f = SecondFactor{u.HasSecondFactor(), settings.WantsSecondFactor(u), len(u.RecoveryCodes)}
		return nil
	})
	return f, err
}
