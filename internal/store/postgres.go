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
	db    *DB
	from  *sql.DB
	pool  *sql.Conn // of from, and ours alone
	conn  *pgx.Conn // the same
	next  pgx.Batch // what goes with the next statement
	sent  bool      // something was: the server may know of the transaction
	begun bool      // the server does
}

const clockPG = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// beginPG takes a connection of the pool for a transaction, which the caller ends
// by commit or rollback.
func (db *DB) beginPG(ctx context.Context, pool *sql.DB, begin string) (*pgTx, error) {
	t := &pgTx{db: db, from: pool}
	t.next.Queue(begin).Exec(func(pgconn.CommandTag) error {
		t.begun = true
		return nil
	})
	return t, t.connect(ctx)
}

// connect takes a connection of the pool.
func (t *pgTx) connect(ctx context.Context) error {
	c, err := t.from.Conn(ctx)
	if err != nil {
		return t.db.unavailable(err)
	}
	err = c.Raw(func(driver any) error {
		t.conn = driver.(*stdlib.Conn).Conn()
		return nil
	})
	if err != nil {
		return t.db.unavailable(errors.Join(err, c.Close()))
	}
	t.pool = c
	return nil
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
	return n, t.flush(ctx, false)
}

// flush sends what waits. A connection that died while it was idle, as all do when
// the server is restarted, is found out only now: another one takes its place, as
// long as nothing of the transaction can have been done.
func (t *pgTx) flush(ctx context.Context, commits bool) error {
	b := t.next
	t.next, t.sent = pgx.Batch{}, true
	for range maxPool + 1 {
		err := t.conn.SendBatch(ctx, &b).Close()
		if err == nil || t.begun && !t.conn.IsClosed() || answered(err) {
			return err
		}
		if t.begun || ctx.Err() != nil || commits && !pgconn.SafeToRetry(err) {
			return t.db.unavailable(err)
		}
		t.conn.Close(ctx) //nolint:errcheck // of no use
		t.pool.Close()    //nolint:errcheck // the pool drops a connection that is broken
		if err := t.connect(ctx); err != nil {
			return err
		}
		for i, q := range b.QueuedQueries { // anew: they hold what the connection had prepared
			b.QueuedQueries[i] = &pgx.QueuedQuery{SQL: q.SQL, Arguments: q.Arguments, Fn: q.Fn}
		}
	}
	return t.db.unavailable(errDead)
}

// answered reports whether the error is the server's answer. What it says when it
// ends the connection is none.
func answered(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Severity != "FATAL"
}

// errDead says that no connection of the pool was any good.
var errDead = errors.New("every connection was closed by the server")

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
	err := t.flush(ctx, true)
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
	end, ended := Undone, false
	defer func() {
		if !ended { // fn failed
			t.rollback(ctx)
		}
		tx.ended(end)
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if tx.notify {
		t.later("SELECT pg_notify('atoll', $1)", []any{db.id})
	}
	ended = true
	err = t.commit(ctx)
	switch {
	case err == nil:
		end = Committed
	case !answered(err) && !errors.Is(err, errUndone):
		end = Unknown
	}
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
