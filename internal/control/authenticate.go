package control

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

const (
	// credentialAge is how old what is known of a credential may be: the longest
	// that a revocation on another controller takes which did not get to tell it. On
	// this one it is at once.
	credentialAge = time.Second
	// maxCredentials bounds the memory.
	maxCredentials = 20_000
	// useGrain is how exactly the last use of a token is recorded.
	useGrain = time.Minute
)

// credentials is what was read lately of tokens and sessions, and which tokens
// were used since the last record.
type credentials struct {
	mu         sync.Mutex
	generation int64 // grows with each revocation
	known      map[string]*credential
	noted      map[cloud.TokenID]cloud.Time // when a use was noted last
	pending    map[cloud.TokenID]cloud.Time // to be written
}

// credential is a token or session with its user.
type credential struct {
	user        *cloud.User
	memberships []cloud.Membership
	token       *cloud.Token
	session     *cloud.Session
	enrol       bool // the session may only enrol a second factor
	until       time.Time
}

func newCredentials() *credentials {
	return &credentials{known: map[string]*credential{}, noted: map[cloud.TokenID]cloud.Time{}, pending: map[cloud.TokenID]cloud.Time{}}
}

// get returns what is known, and the generation to give to put.
func (s *credentials) get(hash string) (*credential, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.known[hash]; k != nil && time.Now().Before(k.until) {
		return k, s.generation
	}
	return nil, s.generation
}

// put keeps what was read, unless something was revoked since the reading began.
func (s *credentials) put(hash string, k *credential, generation int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation != generation {
		return
	}
	if len(s.known) >= maxCredentials {
		clear(s.known)
	}
	s.known[hash] = k
}

func (s *credentials) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	clear(s.known)
}

// revoked makes a change of users, roles, tokens or sessions hold at once, also for
// who has a stream open. Every such change calls it.
func (ch *change) revoked() {
	ch.OnCommit(func() {
		ch.c.auth.forget()
		ch.c.notices.revoked()
	})
}

// note remembers a use of the token.
func (s *credentials) note(id cloud.TokenID, now cloud.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.noted[id]) < useGrain {
		return
	}
	if len(s.noted) >= maxCredentials {
		clear(s.noted)
	}
	s.noted[id], s.pending[id] = now, now
}

func (s *credentials) take() map[cloud.TokenID]cloud.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.pending
	s.pending = map[cloud.TokenID]cloud.Time{}
	return out
}

// errCredential is the answer to credentials that do not hold.
func errCredential() error {
	return cloud.Errorf(cloud.Unauthenticated, "the token or session is not valid (any more); log in or use another token")
}

// Authenticate returns the request of whoever holds the credential: an API token
// or the secret of a session's cookie. The caller completes it with what it knows
// of the request. Everything that does not hold is Unauthenticated; a session whose
// user must enrol a second factor first is SecondFactorMissing. What was revoked on
// another controller holds for a second more.
func (c *Control) Authenticate(ctx context.Context, secret string) (*Request, error) {
	r, err := c.AuthenticateToEnrol(ctx, secret)
	if err == nil && r.Enrol {
		return nil, cloud.Errorf(cloud.SecondFactorMissing, "this installation wants a second factor of you: enrol one before anything else")
	}
	return r, err
}

// AuthenticateToEnrol is Authenticate that lets also those in who must enrol a
// second factor, for just that.
func (c *Control) AuthenticateToEnrol(ctx context.Context, secret string) (*Request, error) {
	if !strings.HasPrefix(secret, tokenPrefix+"_") {
		return nil, errCredential()
	}
	hash := pki.HashToken(secret)
	k, generation := c.auth.get(hash)
	if k == nil {
		var err error
		if k, err = c.readCredential(ctx, hash, strings.HasPrefix(secret, sessionPrefix+"_")); err != nil {
			return nil, err
		}
		c.auth.put(hash, k, generation)
	}
	now := cloud.Now()
	user := *k.user
	r := &Request{User: &user, Memberships: k.memberships}
	switch {
	case user.Disabled:
		return nil, errCredential()
	case k.session != nil:
		if k.session.ExpiresAt <= now {
			return nil, errCredential()
		}
		r.Credential, r.CSRF = string(k.session.ID), k.session.CSRF
		r.Provider, r.SignedInAt, r.Enrol = k.session.Provider, k.session.CreatedAt, k.enrol
	default:
		if k.token.ExpiresAt != 0 && k.token.ExpiresAt <= now {
			return nil, errCredential()
		}
		r.Credential, r.Account = string(k.token.ID), k.token.AccountID
		r.ReadOnly = k.token.Scope != cloud.TokenScopeFull
		c.auth.note(k.token.ID, now)
	}
	return r, nil
}

func (c *Control) readCredential(ctx context.Context, hash string, session bool) (*credential, error) {
	k := &credential{until: time.Now().Add(credentialAge)}
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		var user cloud.UserID
		if session {
			if k.session, err = tx.SessionByHash(hash); err != nil {
				return err
			}
			user = k.session.UserID
		} else {
			if k.token, err = tx.TokenByHash(hash); err != nil {
				return err
			}
			user = k.token.UserID
		}
		if k.user, err = tx.User(user); err != nil {
			return err
		}
		if session && k.session.Provider == "" && !k.user.HasSecondFactor() {
			settings, err := tx.Settings()
			if err != nil {
				return err
			}
			k.enrol = settings.WantsSecondFactor(k.user)
		}
		k.memberships, err = tx.MembershipsOf(user)
		return err
	})
	if cloud.Is(err, cloud.NotFound) {
		return nil, errCredential()
	}
	return k, err
}

// keepCredentials records the last use of tokens until ctx ends.
func (c *Control) keepCredentials(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return c.recordUses(end)
		case <-tick.C:
		}
		if err := c.recordUses(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error("record the use of tokens", "err", err)
		}
	}
}

// recordUses writes the uses of tokens that were noted since it ran last.
func (c *Control) recordUses(ctx context.Context) error {
	uses := c.auth.take()
	if len(uses) == 0 {
		return nil
	}
	return c.DB.Update(ctx, func(tx *store.Tx) error {
		for id, at := range uses {
			if err := tx.TouchToken(id, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// clean makes foreign text fit for a row and a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
