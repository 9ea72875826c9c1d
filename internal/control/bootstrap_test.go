package control

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/pgtest"
)

func TestBootstrap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var kept string
		_, err := w.Bootstrap(ctx, func(string) error { return cloud.Errorf(cloud.Unavailable, "no room for the token") })
		w.fails("a first start that cannot keep the token", err, cloud.Unavailable)
		token, err := w.Bootstrap(ctx, func(token string) error { kept = token; return nil })
		w.ok(err)
		if token == "" || kept != token {
			t.Errorf("the token %q was kept as %q", token, kept)
		}
		r := w.with(token)
		if r.User.Name != "admin" || r.User.Role != cloud.InstallationAdmin || len(r.Memberships) != 1 {
			t.Errorf("the token is of %+v with %v", r.User, r.Memberships)
		}
		a, err := w.Account(ctx, r, "default")
		w.ok(err)
		spaces, _, err := w.Cloudspaces(ctx, r, store.Query{})
		w.ok(err)
		if len(spaces) != 1 || spaces[0].AccountID != a.ID || spaces[0].Network != cloud.DefaultNetwork || spaces[0].NetworkNum == 0 {
			t.Errorf("cloudspaces %+v", spaces)
		}
		w.ok(w.view(ctx, func(tx *store.Tx) error {
			if _, err := tx.LocationNamed("home"); err != nil {
				return err
			}
			for _, name := range []string{"tiny", "small", "medium", "large"} {
				if _, err := tx.SizeNamed(name); err != nil {
					return err
				}
			}
			return nil
		}))
		w.exec("UPDATE sizes SET deleted_at = 1 WHERE name = 'tiny'")
		w.exec("UPDATE leases SET until = 0")
		again, err := w.Bootstrap(ctx, nil)
		w.ok(err)
		if again != "" {
			t.Error("the second start made another token")
		}
		w.ok(w.view(ctx, func(tx *store.Tx) error {
			_, err := tx.SizeNamed("tiny")
			w.fails("what was deleted", err, cloud.NotFound)
			return nil
		}))
	})
}

func TestBootstrapOfControllersAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		type made struct {
			token string
			err   error
		}
		others := []*Control{w.Control}
		for range 2 {
			cfg := w.Config
			cfg.ID = ""
			c, err := New(t.Context(), cfg)
			w.ok(err)
			others = append(others, c)
		}
		got := make(chan made)
		for _, c := range others {
			go func() {
				token, err := c.Bootstrap(t.Context(), nil)
				got <- made{token, err}
			}()
		}
		tokens := 0
		for range others {
			m := <-got
			w.ok(m.err)
			if m.token != "" {
				tokens++
			}
		}
		if tokens != 1 {
			t.Errorf("%d controllers made a token, want 1", tokens)
		}
	})
}

// Controllers that start at the same instant on an empty PostgreSQL, with its
// schema still to be made, agree on one schema, certificate authority, master key
// and admin. One with another key file refuses to start.
func TestFirstStartOfControllersAtOnce(t *testing.T) {
	for name, files := range map[string][]string{
		"one key file":        {"key", "key", "key"},
		"a key file for each": {"key-1", "key-2", "key-3"},
	} {
		t.Run(name, func(t *testing.T) {
			url, dir := pgtest.DSN(t), t.TempDir()
			type started struct {
				ca, token string
				err       error
			}
			begin, all := make(chan struct{}), make(chan started)
			dbs := make([]*store.DB, len(files))
			for i, file := range files {
				go func() {
					<-begin
					var s started
					defer func() { all <- s }()
					if dbs[i], s.err = store.Open(t.Context(), url, slog.New(slog.DiscardHandler)); s.err != nil {
						return
					}
					var c *Control
					if c, s.err = startWith(t, dbs[i], filepath.Join(dir, file)); s.err != nil {
						return
					}
					s.ca = string(c.CA().CertPEM())
					s.token, s.err = c.Bootstrap(t.Context(), nil)
				}()
			}
			close(begin)
			authorities, tokens, refused := map[string]bool{}, 0, 0
			for range files {
				s := <-all
				switch {
				case cloud.Is(s.err, cloud.Conflict) && files[0] != files[1]:
					refused++
					continue
				case s.err != nil:
					t.Errorf("a controller did not start: %v", s.err)
					continue
				}
				authorities[s.ca] = true
				if s.token != "" {
					tokens++
				}
			}
			if len(authorities) != 1 || tokens != 1 {
				t.Errorf("%d certificate authorities, %d tokens of an admin", len(authorities), tokens)
			}
			if want := len(slices.Compact(slices.Clone(files))) - 1; refused != want {
				t.Errorf("%d controllers were refused for their key file, want %d", refused, want)
			}
			db := dbs[0]
			if err := db.View(t.Context(), func(tx *store.Tx) error {
				users, _, err := tx.People(store.Query{Visible: store.Everything})
				if err == nil && len(users) != 1 {
					t.Errorf("%d users, want the admin", len(users))
				}
				return err
			}); err != nil {
				t.Error(err)
			}
			for _, db := range dbs {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
