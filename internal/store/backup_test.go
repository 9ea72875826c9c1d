package store_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/pgtest"
)

func openFile(t *testing.T, file string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func setting(t *testing.T, db *store.DB, key string) (value string) {
	t.Helper()
	err := db.View(t.Context(), func(tx *store.Tx) (err error) { value, err = tx.Setting(key); return err })
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestCopyToBesideTheController(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "atoll.db")
	db := openFile(t, file) // holds the lock, and has the change in the write-ahead log only
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "before") })

	ro, err := store.OpenReadOnly(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy")
	if err := ro.CopyTo(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := ro.Update(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("a", "mine") }); err == nil {
		t.Error("a read-only store could write")
	}
	if err := ro.CopyTo(t.Context(), copied); err == nil {
		t.Error("CopyTo wrote over a file")
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *store.Tx) error { return tx.SetSetting("a", "after") })
	if got := setting(t, db, "a"); got != "after" {
		t.Errorf("setting of the original = %q: the reader disturbed the writer", got)
	}

	c, err := store.OpenReadOnly(t.Context(), "sqlite:"+copied)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if got := setting(t, c, "a"); got != "before" {
		t.Errorf("setting of the copy = %q, want before", got)
	}
	newest, err := store.NewestSchema()
	if got, err2 := c.Schema(t.Context()); err != nil || err2 != nil || got != newest || got == 0 {
		t.Errorf("schema of the copy = %d, %v, want %d, %v", got, err2, newest, err)
	}
}

func TestSchemaOfPostgres(t *testing.T) {
	dsn := pgtest.DSN(t)
	ro, err := store.OpenReadOnly(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if v, err := ro.Schema(t.Context()); err == nil {
		t.Errorf("schema of an empty database = %d, want an error", v)
	}
	db, err := store.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := ro.Update(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("a", "mine") }); err == nil {
		t.Error("a read-only store could write")
	}
	newest, err := store.NewestSchema()
	if got, err2 := ro.Schema(t.Context()); err != nil || err2 != nil || got != newest {
		t.Errorf("schema = %d, %v, want %d, %v", got, err2, newest, err)
	}
}

func TestPlace(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, file string){
		"controller": func(t *testing.T, file string) { openFile(t, file) },
		"database":   func(t *testing.T, file string) { openFile(t, file).Close() },
		"old log": func(t *testing.T, file string) {
			if err := os.WriteFile(file+"-wal", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copied := filepath.Join(dir, "copy")
			if err := os.WriteFile(copied, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "atoll.db")
			prepare(t, file)
			if err := store.Place(copied, file); !cloud.Is(err, cloud.Conflict) {
				t.Errorf("Place() = %v, want a conflict", err)
			}
			if _, err := os.Stat(copied); err != nil {
				t.Errorf("the copy is gone: %v", err)
			}
		})
	}
}

func TestOpenReadOnlyMakesNoFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "atoll.db")
	if _, err := store.OpenReadOnly(t.Context(), "sqlite:"+file); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("OpenReadOnly() = %v, want not found", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a database was made")
	}
}
