// Package storetest gives tests real stores: every store test runs on SQLite
// and on a PostgreSQL of its own.
//
// It is for tests only and must never be imported by the product.
package storetest

import (
	"context"
	"log/slog"
	"testing"

	"atoll/internal/store"
	"atoll/internal/store/pgtest"
)

// Each runs the test on an empty SQLite store and on an empty PostgreSQL one, both
// at once, after the caller has returned.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, Postgres(t)) })
}

// SQLite opens an empty store in a file of the test's folder.
func SQLite(t testing.TB) *store.DB { return Open(t, "sqlite:"+t.TempDir()+"/atoll.db") }

// Postgres opens an empty store in a database of its own.
func Postgres(t testing.TB) *store.DB { return Open(t, DSN(t)) }

// migrated is a database with the schema.
var migrated = pgtest.NewTemplate(func(dsn string) error {
	db, err := store.Open(context.Background(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return db.Close()
})

// DSN returns the URL of an empty store on PostgreSQL, for tests that open it more
// than once.
func DSN(t testing.TB) string { return migrated.DSN(t) }

// Open opens the store at the URL until the test ends.
func Open(t testing.TB, url string) *store.DB {
	db, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Exec runs a statement behind the store's back.
func Exec(t testing.TB, db *store.DB, query string) {
	if err := store.ExecForTest(db, query); err != nil {
		t.Fatal(err)
	}
}
