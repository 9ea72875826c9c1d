package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"atoll/internal/cloud"
)

// SQLiteFile returns the file of a database URL; ok is false for PostgreSQL.
func SQLiteFile(url string) (file string, ok bool) { return strings.CutPrefix(url, "sqlite:") }

// OpenReadOnly opens an existing database beside the controller that uses it: it
// takes no lock, changes no schema and can write nothing. NotFound means that
// there is no such file.
func OpenReadOnly(ctx context.Context, dsn string) (*DB, error) {
	db := &DB{log: slog.New(slog.DiscardHandler), unlock: func() {}}
	file, ok := SQLiteFile(dsn)
	if !ok {
		if err := db.connectReadOnly(ctx, dsn); err != nil {
			return nil, err
		}
		return db, nil
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, cloud.Errorf(cloud.NotFound, "there is no database %s: is this the data folder of a controller?", file)
	} else if err != nil {
		return nil, err
	}
	db.d = &dialect{sqlite: true}
	// With mode=ro SQLite still reads what only the write-ahead log holds, also
	// after a crash, and leaves that log to the controller
	// (https://www.sqlite.org/wal.html#read_only_databases).
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.read, db.readers = pool, newReaders(pool)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), pool.Close())
	}
	return db, nil
}

func (db *DB) connectReadOnly(ctx context.Context, dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return cloud.FieldErrorf("database", "is no URL of the form postgres://USER@HOST/NAME")
	}
	q := u.Query()
	q.Set("default_transaction_read_only", "on")
	u.RawQuery = q.Encode()
	if err := db.connect(ctx, u.String()); err != nil {
		return fmt.Errorf("open store: %w", errors.Join(err, db.Close()))
	}
	return nil
}

// CopyTo writes a consistent copy of an SQLite database to a new file, while
// others go on writing: the copy is the database at one commit. It is not
// synced. Until it is done the write-ahead log of the original only grows.
func (db *DB) CopyTo(ctx context.Context, file string) error {
	// One read transaction. The online backup interface would begin again at each
	// commit of another process. Rows that were deleted do not get into the copy.
	if _, err := db.read.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return fmt.Errorf("copy the database: %w", db.d.translate(err))
	}
	return nil
}

// Verify reads a whole SQLite database and returns an error if anything in it
// is damaged.
func (db *DB) Verify(ctx context.Context) error {
	var answer string
	if err := db.read.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&answer); err != nil {
		return fmt.Errorf("check the database: %w", db.d.translate(err))
	}
	if answer != "ok" {
		return cloud.Errorf(cloud.Internal, "the database is damaged: %s", answer)
	}
	return nil
}

// CheckAbsent returns a Conflict if there is an SQLite database in the file, or
// what is left of one: an old write-ahead log would be played into a new file.
func CheckAbsent(file string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		switch _, err := os.Lstat(file + suffix); {
		case err == nil:
			return cloud.Errorf(cloud.Conflict, "%s is there already; move it away first", file+suffix)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// Place makes the closed SQLite database copied the one at file, durably and at
// once. Both must be on one file system. It is a Conflict if a controller uses
// the file or if there is a database.
func Place(copied, file string) error {
	unlock, err := lockFile(file + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if err := CheckAbsent(file); err != nil {
		return err
	}
	if err := syncPath(copied); err != nil {
		return err
	}
	if err := os.Rename(copied, file); err != nil {
		return err
	}
	return syncPath(filepath.Dir(file))
}

func syncPath(name string) error {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
