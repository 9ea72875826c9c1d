// Package storetest gives tests real stores: every store test runs on SQLite
// and on a PostgreSQL of its own.
//
// It is for tests only and must never be imported by the product.
package storetest

import (
	"log/slog"
	"testing"

	"atoll/internal/store"
	"atoll/internal/store/pgtest"
)

// Each runs the test on an empty SQLite store and on an empty PostgreSQL one.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// SQLite opens an empty store in a file of the test's folder.
func SQLite(t testing.TB) *store.DB { return open(t, "sqlite:"+t.TempDir()+"/atoll.db") }

// Postgres opens an empty store in a database of its own.
func Postgres(t testing.TB) *store.DB { return open(t, pgtest.DSN(t)) }

func open(t testing.TB, url string) *store.DB {
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
