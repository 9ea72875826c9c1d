package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store/pgtest"
)

func testServer(t *testing.T, dir, database string) serverConfig {
	t.Helper()
	cfg := serverConfig{Data: dir, Database: database, Listen: "127.0.0.1:0", AgentListen: "127.0.0.1:0", SharedBlobs: true}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// serve runs a controller until stop is called.
func serve(t *testing.T, cfg serverConfig) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c, err := newController(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.run(ctx) }()
	for ready := false; !ready; {
		res, err := http.Get(c.url() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		ready = res.StatusCode == http.StatusOK
		res.Body.Close()
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.close()
	}
}

func TestRotateKey(t *testing.T) {
	for name, database := range map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cfg := testServer(t, dir, database(t))
			r := rotation{cfg.Database, cfg.KeyFile}
			change := func(what string, wait time.Duration, want string) {
				t.Helper()
				var out strings.Builder
				if err := rotateKey(t.Context(), &out, r, wait); err != nil || !strings.Contains(out.String(), want) {
					t.Errorf("%s: %v\n%swant %q", what, err, out.String(), want)
				}
			}
			stop := serve(t, cfg)
			change("beside the controller", time.Minute, "sealed with master key 2")
			stop()
			change("without a controller", time.Minute, "sealed with master key 3")
			serve(t, cfg)() // starts with it

			// It is cut off; a controller does the rest.
			if err := rotateKey(t.Context(), &strings.Builder{}, r, 0); err == nil || !strings.Contains(err.Error(), "the controllers do the rest") {
				t.Errorf("cut off: %v", err)
			}
			stop = serve(t, cfg)
			defer stop()
			change("again", time.Minute, "sealed with master key")
		})
	}
}

func TestRotateKeyRefusesAnotherFile(t *testing.T) {
	dir := t.TempDir()
	cfg := testServer(t, dir, "")
	serve(t, cfg)()
	other := testServer(t, t.TempDir(), "")
	serve(t, other)()
	before, err := os.ReadFile(other.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := rotateKey(t.Context(), &strings.Builder{}, rotation{cfg.Database, other.KeyFile}, time.Minute); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("another database's key file = %v, want a conflict", err)
	}
	if after, err := os.ReadFile(other.KeyFile); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed, %v", err)
	}
	if err := rotateKey(t.Context(), &strings.Builder{}, rotation{"sqlite:" + filepath.Join(dir, "none.db"), cfg.KeyFile}, time.Minute); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("no database = %v, want not found", err)
	}
}

func TestControllerDoesNotStartWithoutItsMasterKey(t *testing.T) {
	dir := t.TempDir()
	cfg := testServer(t, dir, "")
	serve(t, cfg)()
	if err := os.Rename(cfg.KeyFile, cfg.KeyFile+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := newController(t.Context(), cfg, slog.New(slog.DiscardHandler)); !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), cfg.KeyFile) {
		t.Errorf("start without the master key = %v, want a conflict that names the file", err)
	}
	if _, err := os.Stat(cfg.KeyFile); err == nil {
		t.Error("another master key was made")
	}
	if err := os.Rename(cfg.KeyFile+".away", cfg.KeyFile); err != nil {
		t.Fatal(err)
	}
	serve(t, cfg)()
}
