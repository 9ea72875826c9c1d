package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"atoll/internal/cloud"
)

//go:embed schema/*.sql
var schema embed.FS

// migrate brings the schema up to date: each migration is one transaction, which
// a crash undoes.
func (db *DB) migrate(ctx context.Context) error {
	unlock, err := db.lockSchema(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	p, err := db.migrations()
	if err != nil {
		return err
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	newest, err := NewestSchema()
	if err != nil {
		return err
	}
	if at > newest {
		return TooNew(at, newest)
	}
	_, err = p.Up(ctx)
	return err
}

// TooNew is the refusal of a database that a newer program wrote.
func TooNew(has, knows int64) error {
	return cloud.Errorf(cloud.Conflict, "the database has schema %d, and this program knows up to %d: run the atoll that it was last used with, or a newer one; "+
		"to go back to this one, restore the backup from before the upgrade", has, knows)
}

func (db *DB) migrations() (*goose.Provider, error) {
	dir, err := fs.Sub(schema, "schema")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(db.d.goose, db.write, dir)
}

// schemaLock is the advisory lock that a controller holds while it migrates:
// others that start at once wait.
const schemaLock = 0x61746f6c6c

func (db *DB) lockSchema(ctx context.Context) (unlock func(), err error) {
	if db.d.sqlite {
		return func() {}, nil // the file is locked
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", schemaLock); err != nil {
		conn.Close()
		return nil, err
	}
	return func() {
		conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", schemaLock) // or it ends with its session
		conn.Close()
	}, nil
}

// Schema returns the version of the database's schema. An error means that it is
// no database of Atoll.
func (db *DB) Schema(ctx context.Context) (version int64, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read the version of the database's schema: %w", err)
	}
	return version, nil
}

// NewestSchema is the newest schema that this program knows.
func NewestSchema() (newest int64, err error) {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		v, err := goose.NumericComponent(f)
		if err != nil {
			return 0, err
		}
		newest = max(newest, v)
	}
	return newest, nil
}
