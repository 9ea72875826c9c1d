package control

import (
	"context"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		bob := w.user("bob", "")
		link, _, err := w.NewSetupLink(t.Context(), w.root, "bob")
		w.ok(err)
		expired := w.token(bob, cloud.Token{Name: "old"})
		w.exec("UPDATE tokens SET expires_at = 1")
		for name, secret := range map[string]string{
			"nothing": "", "foreign": "ghp_x", "unknown": "atoll_x", "unknown session": "atoll_session_x", "set-up link": link, "expired": expired,
		} {
			_, err := w.Authenticate(t.Context(), secret)
			w.fails(name, err, cloud.Unauthenticated)
		}
	})
}

// TestRevocationHoldsAtOnce changes roles between two requests of one token.
func TestRevocationHoldsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("acme")
		bob := w.user("bob", "")
		token := w.token(bob, cloud.Token{Name: "ci"})
		sees := func() bool {
			t.Helper()
			_, err := w.Account(ctx, w.with(token), "acme")
			if err != nil && !cloud.Is(err, cloud.NotFound) {
				t.Error(err)
			}
			return err == nil
		}
		if sees() {
			t.Error("sees the account without a role")
		}
		m := w.member(bob, cloud.ScopeReader, a)
		if !sees() {
			t.Error("does not see the account with a role")
		}
		w.ok(w.DeleteMembership(ctx, w.root, m.ID))
		if sees() {
			t.Error("sees the account after the role was taken")
		}
		w.ok(w.DeleteUser(ctx, w.root, "bob"))
		_, err := w.Authenticate(ctx, token)
		w.fails("deleted user", err, cloud.Unauthenticated)
	})
}

// A reading that began before a revocation must not be kept after it.
func TestCredentialsReadBeforeARevocation(t *testing.T) {
	t.Parallel()
	s := newCredentials()
	_, generation := s.get("h")
	s.forget()
	s.put("h", &credential{until: time.Now().Add(time.Hour)}, generation)
	if k, _ := s.get("h"); k != nil {
		t.Error("a stale reading was kept")
	}
}

func TestLastUseIsRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		bob := w.user("bob", "")
		secret := w.token(bob, cloud.Token{Name: "ci"})
		r := w.with(secret)
		last := func() *cloud.Token {
			t.Helper()
			tok, err := w.Token(ctx, r, bob.ID, "ci")
			w.ok(err)
			return tok
		}
		w.ok(w.recordUses(ctx))
		first := last()
		if first.LastUsedAt == 0 || first.Version != 1 {
			t.Errorf("after the first use: %+v", first)
		}
		w.with(secret)
		if uses := w.auth.take(); len(uses) != 0 {
			t.Errorf("a use within the minute was noted: %v", uses)
		}
		w.auth.note(first.ID, first.LastUsedAt.Add(useGrain))
		w.ok(w.recordUses(ctx))
		if got := last().LastUsedAt; got != first.LastUsedAt.Add(useGrain) {
			t.Errorf("after a minute: %d", got)
		}
	})
}

func TestKeepCredentialsRecordsAtTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		bob := w.user("bob", "")
		r := w.with(w.token(bob, cloud.Token{Name: "ci"}))
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error)
		go func() { end <- w.keepCredentials(ctx) }()
		cancel()
		w.ok(<-end)
		tok, err := w.Token(t.Context(), r, bob.ID, "ci")
		w.ok(err)
		if tok.LastUsedAt == 0 {
			t.Error("the use was lost when the controller stopped")
		}
	})
}

// BenchmarkAuthenticate measures a request's first look (the database) and the
// ones within the next second.
func BenchmarkAuthenticate(b *testing.B) {
	for _, s := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		w := &world{newControl(b, s.open(b)), b, System("bench")}
		bob := w.user("bob", "")
		w.member(bob, cloud.ScopeReader, w.account("acme"))
		secret := w.token(bob, cloud.Token{Name: "ci"})
		b.Run(s.name+"/read", func(b *testing.B) {
			for b.Loop() {
				w.auth.forget()
				w.with(secret)
			}
		})
		b.Run(s.name+"/known", func(b *testing.B) {
			for b.Loop() {
				w.with(secret)
			}
		})
	}
}
