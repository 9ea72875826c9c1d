package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// installation is what a controller has while it runs.
type installation struct {
	cfg   Config
	db    *store.DB
	blobs *blob.Store
}

func configFor(dir string) Config {
	return Config{
		Data: dir, Database: "sqlite:" + filepath.Join(dir, "atoll.db"),
		Blobs: "file://" + filepath.Join(dir, "blobs"), KeyFile: filepath.Join(dir, "master.key"),
	}
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	i := &installation{cfg: configFor(t.TempDir())}
	i.open(t)
	i.sealSomething(t)
	return i
}

// secret is what an installation sealed.
var secret = []byte("the key of the installation's CA")

// sealSomething seals with a new master key.
func (i *installation) sealSomething(t *testing.T) {
	t.Helper()
	keys, _, err := pki.LoadKeyring(i.cfg.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	check, err := keys.Seal(1, []byte(keys.ID(1)), []byte(store.MasterKeyPlace))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.Seal(1, secret, []byte("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := i.db.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.SetMasterKey(keys.ID(1), check), tx.SetSetting("ca.key", sealed))
	}); err != nil {
		t.Fatal(err)
	}
}

func (i *installation) open(t *testing.T) {
	t.Helper()
	var err error
	if i.db, err = store.Open(t.Context(), i.cfg.Database, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.db.Close() })
	if i.blobs, err = blob.Open(t.Context(), i.cfg.Blobs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.blobs.Close() })
}

func (i *installation) write(t *testing.T, key string, body []byte) {
	t.Helper()
	if err := i.blobs.Write(t.Context(), key, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func (i *installation) backup(t *testing.T, opt Options) (file string, m *Manifest) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "backup")
	m, err := Create(t.Context(), i.cfg, file, opt)
	if err != nil {
		t.Fatal(err)
	}
	return file, m
}

// copyKey does what the operator does before a restore.
func copyKey(t *testing.T, from, to Config) {
	t.Helper()
	key, err := os.ReadFile(from.KeyFile)
	if err == nil {
		err = os.WriteFile(to.KeyFile, key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// wantUntouched fails if the folder has other files than before.
func wantUntouched(t *testing.T, dir string, before ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("the folder has %v, want %v", got, before)
	}
}

func TestBlobsBySize(t *testing.T) {
	i := newInstallation(t)
	image := bytes.Repeat([]byte("image"), MaxBlob/4)
	ref, err := i.blobs.Put(t.Context(), "images", bytes.NewReader(image), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	i.write(t, "logs/one/0000000000000000000", []byte("out\n"))
	i.write(t, "recordings/long", image) // large, and its key has no checksum

	for _, tt := range []struct {
		name             string
		opt              Options
		written, missing int
	}{
		{"without images", Options{}, 1, 2},
		{"with images", Options{WithImages: true}, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, m := i.backup(t, tt.opt)
			if len(m.Blobs) != 3 || len(m.Without()) != tt.missing {
				t.Errorf("manifest lists %d blobs, %d not copied, want 3 and %d", len(m.Blobs), len(m.Without()), tt.missing)
			}
			for _, b := range m.Blobs {
				if b.Size == ref.Size && b.SHA256 != ref.SHA256 {
					t.Errorf("blob %s has SHA-256 %s, want %s", b.Key, b.SHA256, ref.SHA256)
				}
			}
			to := configFor(filepath.Join(t.TempDir(), "new"))
			to.KeyFile = i.cfg.KeyFile
			r, err := Restore(t.Context(), to, file)
			if err != nil {
				t.Fatal(err)
			}
			if r.Written != tt.written || len(r.Missing) != tt.missing || r.Kept != 0 {
				t.Errorf("Restore() wrote %d, kept %d, misses %v; want %d, 0 and %d", r.Written, r.Kept, r.Missing, tt.written, tt.missing)
			}
			got := &installation{cfg: to}
			got.open(t)
			f, _, err := got.blobs.Open(t.Context(), "logs/one/0000000000000000000")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if b, err := io.ReadAll(f); err != nil || string(b) != "out\n" {
				t.Errorf("log = %q, %v", b, err)
			}
		})
	}
	t.Run("blobs outlived the folder", func(t *testing.T) {
		file, _ := i.backup(t, Options{})
		to := configFor(filepath.Join(t.TempDir(), "new"))
		to.Blobs, to.KeyFile = i.cfg.Blobs, i.cfg.KeyFile
		r, err := Restore(t.Context(), to, file)
		if err != nil {
			t.Fatal(err)
		}
		if r.Written != 0 || r.Kept != 1 || len(r.Missing) != 0 {
			t.Errorf("Restore() wrote %d, kept %d, misses %v; want 0, 1 and none", r.Written, r.Kept, r.Missing)
		}
	})
}

func TestBackupHoldsNoMasterKey(t *testing.T) {
	i := newInstallation(t)
	file, _ := i.backup(t, Options{WithImages: true})
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the archive = %v, %v, want 0600", info.Mode(), err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(i.cfg.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(key)) {
		_, base64, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && !strings.HasPrefix(line, "#") && bytes.Contains(all, []byte(base64)) {
			t.Error("the archive holds the master key")
		}
	}
	if bytes.Contains(all, secret) || !bytes.Contains(all, []byte("ca.key")) {
		t.Error("the archive holds a secret in the clear, or the test looked at the wrong thing")
	}
}

func TestCreateRefusals(t *testing.T) {
	i := newInstallation(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "backup")
	other := configFor(t.TempDir())
	if _, err := Create(t.Context(), other, file, Options{}); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("Create() without a database = %v, want not found", err)
	}
	wantUntouched(t, other.Data)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Create(ctx, i.cfg, file, Options{}); err == nil {
		t.Error("Create() with an ended context succeeded")
	}
	broken := i.cfg
	broken.Blobs = "s3:nothing"
	if _, err := Create(t.Context(), broken, file, Options{}); err == nil {
		t.Error("Create() without a blob store succeeded")
	}
	wantUntouched(t, dir)

	if err := os.WriteFile(file, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), i.cfg, file, Options{}); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("Create() over a file = %v, want a conflict", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "older" {
		t.Errorf("the file is now %q, %v", b, err)
	}
	if err := store.ExecForTest(i.db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), i.cfg, filepath.Join(dir, "new"), Options{}); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("Create() of a newer schema = %v, want a conflict", err)
	}
	wantUntouched(t, dir, "backup")
}
