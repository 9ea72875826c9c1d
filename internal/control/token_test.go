package control

import (
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

func TestTokenLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		bob, eve := w.user("bob", ""), w.user("eve", "")
		self, other, admin := w.as(bob), w.as(eve), w.as(w.user("root", cloud.InstallationAdmin))
		tok := cloud.Token{Name: "ci", Scope: cloud.TokenScopeRead}
		secret, err := w.CreateToken(ctx, self, bob.ID, &tok)
		w.ok(err)
		if tok.Hash != pki.HashToken(secret) || !strings.HasPrefix(secret, "atoll_") {
			t.Errorf("secret %q, stored %+v", secret, tok)
		}
		for _, e := range w.events("token.create") {
			if strings.Contains(string(e.Difference), secret) || strings.Contains(string(e.Difference), tok.Hash) {
				t.Errorf("the event holds the secret: %s", e.Difference)
			}
		}
		_, err = w.CreateToken(ctx, self, bob.ID, &cloud.Token{Name: "ci"})
		w.fails("name twice", err, cloud.Conflict)
		_, err = w.CreateToken(ctx, self, bob.ID, &cloud.Token{Name: "x", Scope: "half"})
		w.fails("bad scope", err, cloud.Invalid)
		_, err = w.CreateToken(ctx, self, bob.ID, &cloud.Token{Name: "x", ExpiresAt: 1})
		w.fails("expired", err, cloud.Invalid)
		_, err = w.CreateToken(ctx, other, bob.ID, &cloud.Token{Name: "x"})
		_, absent := w.CreateToken(ctx, other, "0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b", &cloud.Token{Name: "x"})
		w.hidden("token for another user", err, absent, string(bob.ID), "0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b")
		_, err = w.CreateToken(ctx, admin, bob.ID, &cloud.Token{Name: "x"})
		w.fails("admin makes a token of another person", err, cloud.Denied)

		_, err = w.CreateToken(ctx, w.with(secret), bob.ID, &cloud.Token{Name: "x"})
		w.fails("read-only token makes a token", err, cloud.Denied)
		w.fails("read-only token deletes", w.DeleteToken(ctx, w.with(secret), tok.ID), cloud.Denied)

		for name, r := range map[string]*Request{"self": self, "admin": admin} {
			list, _, err := w.Tokens(ctx, r, bob.ID, store.Query{})
			w.ok(err)
			if len(list) != 2 {
				t.Errorf("%s sees %d tokens, want 2", name, len(list))
			}
		}
		_, _, err = w.Tokens(ctx, other, bob.ID, store.Query{})
		w.fails("another's tokens", err, cloud.NotFound)
		_, err = w.Token(ctx, other, bob.ID, "ci")
		w.fails("another's token", err, cloud.NotFound)
		w.fails("delete another's", w.DeleteToken(ctx, other, tok.ID), cloud.NotFound)
		got, err := w.Token(ctx, self, bob.ID, "ci")
		w.ok(err)
		w.ok(w.DeleteToken(ctx, admin, got.ID))
		_, err = w.Authenticate(ctx, secret)
		w.fails("deleted token", err, cloud.Unauthenticated)
	})
}

func TestTokenIsNoWiderThanItsMaker(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("other")
		ann := w.user("ann", "")
		w.member(ann, cloud.ScopeAdmin, a)
		w.member(ann, cloud.ScopeAdmin, b)
		soon := cloud.Now().Add(time.Hour)
		maker := w.with(w.token(ann, cloud.Token{Name: "maker", AccountID: a.ID, ExpiresAt: soon}))
		_, err := w.Account(ctx, maker, "other")
		w.fails("account out of the limit", err, cloud.NotFound)

		_, err = w.CreateToken(ctx, maker, ann.ID, &cloud.Token{Name: "x", AccountID: b.ID})
		w.fails("another account", err, cloud.Denied)
		_, err = w.CreateToken(ctx, maker, ann.ID, &cloud.Token{Name: "x", ExpiresAt: soon + 1})
		w.fails("longer life", err, cloud.Invalid)
		made := cloud.Token{Name: "x"}
		_, err = w.CreateToken(ctx, maker, ann.ID, &made)
		w.ok(err)
		if made.AccountID != a.ID || made.ExpiresAt != soon {
			t.Errorf("the limits were not passed on: %+v", made)
		}
		whole, err := w.Token(ctx, w.as(ann), ann.ID, "maker")
		w.ok(err)
		wide := cloud.Token{Name: "wide"}
		_, err = w.CreateToken(ctx, w.as(ann), ann.ID, &wide)
		w.ok(err)
		w.fails("limited token deletes a wider one", w.DeleteToken(ctx, maker, wide.ID), cloud.NotFound)
		w.ok(w.DeleteToken(ctx, maker, whole.ID))
		_, err = w.CreateToken(ctx, maker, ann.ID, &cloud.Token{Name: "y"})
		w.fails("deleted token makes a token", err, cloud.Unauthenticated)

		w.MaxTokenAge = 24 * time.Hour
		long := cloud.Token{Name: "long"}
		_, err = w.CreateToken(ctx, w.as(ann), ann.ID, &long)
		w.ok(err)
		if age := long.ExpiresAt.Sub(cloud.Now()); age > 24*time.Hour || age < 23*time.Hour {
			t.Errorf("the token lives %s, want 24h", age)
		}
		_, err = w.CreateToken(ctx, w.as(ann), ann.ID, &cloud.Token{Name: "longer", ExpiresAt: cloud.Now().Add(48 * time.Hour)})
		w.fails("longer than the installation allows", err, cloud.Invalid)
	})
}
