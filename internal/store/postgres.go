package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// pgTx is a transaction of PostgreSQL in few round trips: what begins it goes with
// its first statement, and a statement whose answer nobody needs with the next one
// or with the commit. A small read is one round trip, not three.
type pgTx struct {
	db   *DB
	pool *sql.Conn
	conn *pgx.Conn
	next pgx.Batch // what goes with the next statement
	sent bool      // something was: the server knows of the transaction
}

const clockPG = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// beginPG takes a connection of the pool for a transaction, which the caller ends
// by commit or rollback.
func (db *DB) beginPG(ctx context.Context, pool *sql.DB, begin string) (*pgTx, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, db.unavailable(err)
	}
	t := &pgTx{db: db, pool: c}
	err = c.Raw(func(driver any) error {
		t.conn = driver.(*stdlib.Conn).Conn() // ours alone until c is closed
		return nil
	})
	if err != nil {
		return nil, db.unavailable(errors.Join(err, c.Close()))
	}
	t.next.Queue(begin)
	return t, nil
}

// later has the statement sent with the next one.
func (t *pgTx) later(query string, args []any) *pgx.QueuedQuery { return t.next.Queue(query, args...) }

// send sends what waits and the statement, and has read read its rows.
func (t *pgTx) send(ctx context.Context, query string, args []any, read func(rows pgx.Rows) error) (n int64, err error) {
	t.later(query, args).Query(func(rows pgx.Rows) error {
		if err := read(rows); err != nil {
			return err
		}
		rows.Close()
		n = rows.CommandTag().RowsAffected()
		return rows.Err()
	})
	return n, t.flush(ctx)
}

// flush sends what waits.
func (t *pgTx) flush(ctx context.Context) error {
	b := t.next
	t.next, t.sent = pgx.Batch{}, true
	err := t.conn.SendBatch(ctx, &b).Close()
	if err != nil && t.conn.IsClosed() {
		return t.db.unavailable(err)
	}
	return err
}

// noRows reads a statement that returns none.
func noRows(pgx.Rows) error { return nil }

// errUndone says that the server undid a transaction that was to be committed.
var errUndone = errors.New("the transaction was undone, as one of its statements failed")

// commit sends what waits and commits.
func (t *pgTx) commit(ctx context.Context) error {
	if !t.sent && t.next.Len() == 1 {
		return t.pool.Close() // nothing was done
	}
	tag := ""
	t.next.Queue("COMMIT").Exec(func(ct pgconn.CommandTag) error {
		tag = ct.String()
		return nil
	})
	err := t.flush(ctx)
	switch {
	case err != nil:
		t.rollback(ctx)
		return err
	case tag != "COMMIT":
		err = errUndone
	}
	t.pool.Close() //nolint:errcheck // the pool drops a connection that is broken
	return err
}

// rollbackTime is how long the server may take to undo a transaction, before the
// connection is given up.
const rollbackTime = 5 * time.Second

// rollback gives the connection back without what was done.
func (t *pgTx) rollback(ctx context.Context) {
	if t.sent && !t.conn.IsClosed() && t.conn.PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
		if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
			t.conn.Close(ctx) //nolint:errcheck // the server undoes what no connection has
		}
	}
	t.pool.Close() //nolint:errcheck // the pool drops a connection that is broken
}

// pgRow is the one row of a query that runs when it is read.
type pgRow struct {
	tx    *Tx
	query string
	args  []any
}

// Scan reads the row; sql.ErrNoRows if there is none.
func (r pgRow) Scan(to ...any) error {
	found := false
	_, err := r.tx.pg.send(r.tx.ctx, r.query, r.args, func(rows pgx.Rows) error {
		if found = rows.Next(); found {
			return rows.Scan(to...)
		}
		return nil
	})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

func (db *DB) updatePG(ctx context.Context, fn func(tx *Tx) error) error {
	t, err := db.beginPG(ctx, db.write, "BEGIN")
	if err != nil {
		return err
	}
	tx := &Tx{ctx: ctx, d: db.d, pg: t}
	t.later(clockPG, nil).QueryRow(func(row pgx.Row) error { return row.Scan((*int64)(&tx.now)) })
	committed, ended := false, false
	defer func() {
		if !ended { // fn failed
			t.rollback(ctx)
		}
		tx.ended(committed)
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if tx.notify {
		t.later("SELECT pg_notify('atoll', $1)", []any{db.id})
	}
	ended = true
	err = t.commit(ctx)
	committed = err == nil
	return db.d.translate(err)
}

func (db *DB) viewPG(ctx context.Context, fn func(tx *Tx) error) error {
	t, err := db.beginPG(ctx, db.read, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		return err
	}
	// The caller need not wait for the end of what changed nothing.
	defer db.ends.Go(func() { t.rollback(ctx) })
	return fn(&Tx{ctx: ctx, d: db.d, pg: t})
}
