// Package store keeps everything that Atoll knows in SQL: one schema and one
// set of queries on SQLite and PostgreSQL (dialect.go holds what differs). It
// is the seeds' Osis.
//
// It must never hold a rule of the cloud: control opens the transactions and
// decides; the methods on Tx only read and write rows.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"atoll/internal/cloud"
)

// DB is the store. It is safe for concurrent use.
type DB struct {
	d       *dialect
	url     string
	id      string // tells our notices from those of other controllers
	read    *sql.DB
	write   *sql.DB
	readers *readers   // nil on PostgreSQL, whose driver keeps prepared statements itself
	commits *committer // nil on PostgreSQL, which commits concurrent writers together itself
	log     *slog.Logger
	unlock  func()
	ends    sync.WaitGroup // of PostgreSQL's reading transactions
}

// Open opens the database at url, "sqlite:FILE" or "postgres://…", and brings
// its schema up to date. A schema newer than this program is refused.
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	db := &DB{url: url, id: rand.Text(), log: log, unlock: func() {}}
	if err := db.connect(ctx, url); err != nil {
		db.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := db.migrate(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("migrate store: %w", err)
	}
	if db.d.sqlite {
		c, err := newCommitter(ctx, db)
		if err != nil {
			db.Close()
			return nil, err
		}
		db.commits = c
	}
	return db, nil
}

// Close waits for the commits under way and closes the database.
func (db *DB) Close() error {
	if db.commits != nil {
		db.commits.close()
	}
	if db.readers != nil {
		db.readers.close()
	}
	db.ends.Wait()
	var err error
	if db.write != nil { // what failed to open may have less
		err = db.write.Close()
	}
	if db.read != nil && db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	db.unlock()
	return err
}

// Shared reports whether several controllers may use the database at once.
func (db *DB) Shared() bool { return !db.d.sqlite }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.read.PingContext(ctx) }

// Update runs fn in a transaction and commits it. An error of fn undoes what fn
// did and is returned. On SQLite concurrent callers share one commit; on
// PostgreSQL fn runs again when the database reports a serialisation conflict,
// so fn must have no effect but through tx and what it passes to tx.OnCommit and
// tx.OnEnd.
// fn must not call Update or View.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return cloud.Wrap(cloud.Timeout, err, "the call ended before the change was made")
	}
	if db.commits != nil {
		return db.commits.update(ctx, fn)
	}
	if db.d.sqlite {
		return cloud.Errorf(cloud.Conflict, "the database was opened to be read only")
	}
	const tries = 10
	for try := 1; ; try++ {
		err := db.updatePG(ctx, fn)
		if err == nil || try == tries || !db.d.isRetryable(err) {
			return err
		}
		time.Sleep(time.Duration(try*try) * time.Millisecond) // other writers finish meanwhile
	}
}

// View runs fn in a read-only transaction: fn sees one state of the database.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	if db.readers != nil {
		q, done, err := db.readers.begin(ctx)
		if err != nil {
			return db.unavailable(err)
		}
		defer done()
		return fn(&Tx{ctx: ctx, d: db.d, q: q})
	}
	return db.viewPG(ctx, fn)
}

func (db *DB) unavailable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return cloud.Wrap(cloud.Timeout, err, "the call ended before the database answered")
	}
	return cloud.Wrap(cloud.Unavailable, err, "the database does not answer; try again")
}

// queryer is what a transaction runs statements on.
type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Tx is a transaction. It is valid only inside the function it was passed to.
type Tx struct {
	ctx    context.Context
	d      *dialect
	q      queryer // SQLite's
	pg     *pgTx   // or PostgreSQL's
	now    cloud.Time
	after  []func(End)
	notify bool
}

// OnCommit has fn run after the transaction is committed. fn must return at
// once: it signals, it does no work.
func (tx *Tx) OnCommit(fn func()) {
	tx.OnEnd(func(end End) {
		if end == Committed {
			fn()
		}
	})
}

// End is how a transaction ended.
type End int

// The ends of a transaction.
const (
	Undone    End = iota
	Committed     // and this controller knows it
	Unknown       // PostgreSQL was asked to commit, and its answer was lost
)

// OnEnd has fn run once the transaction has ended, with the same rule.
func (tx *Tx) OnEnd(fn func(End)) { tx.after = append(tx.after, fn) }

func (tx *Tx) ended(end End) {
	for _, fn := range tx.after {
		fn(end)
	}
}

// Now returns the database's clock, the same within one transaction.
func (tx *Tx) Now() (cloud.Time, error) {
	if tx.now != 0 {
		return tx.now, nil
	}
	if tx.d.sqlite { // the file has one controller: its clock is the database's
		tx.now = cloud.Now()
		return tx.now, nil
	}
	err := tx.queryRow(clockPG).Scan(&tx.now)
	return tx.now, tx.d.translate(err)
}

func (tx *Tx) exec(query string, args ...any) (int64, error) {
	query, args = tx.d.rebind(query), plain(args)
	if tx.pg != nil {
		n, err := tx.pg.send(tx.ctx, query, args, noRows)
		return n, tx.d.translate(err)
	}
	res, err := tx.q.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, tx.d.translate(err)
	}
	return res.RowsAffected()
}

// later is exec for a statement that collides with nothing: on PostgreSQL its
// error may be that of the next statement, or of the commit.
func (tx *Tx) later(query string, args ...any) error {
	if tx.pg != nil {
		tx.pg.later(tx.d.rebind(query), plain(args))
		return nil
	}
	_, err := tx.exec(query, args...)
	return err
}

// row is one row that was asked for.
type row interface{ Scan(to ...any) error }

// queryRow reads one row. On SQLite it does not end with the caller: database/sql
// and the driver have a goroutine each watch a context that may end, for longer
// than such a statement takes.
func (tx *Tx) queryRow(query string, args ...any) row {
	query, args = tx.d.rebind(query), plain(args)
	if tx.pg != nil {
		return pgRow{tx, query, args}
	}
	return tx.q.QueryRowContext(context.WithoutCancel(tx.ctx), query, args...)
}

// query calls each for every row.
func (tx *Tx) query(each func(scan func(...any) error) error, query string, args ...any) error {
	query, args = tx.d.rebind(query), plain(args)
	if tx.pg != nil {
		_, err := tx.pg.send(tx.ctx, query, args, func(rows pgx.Rows) error {
			for rows.Next() {
				if err := each(rows.Scan); err != nil {
					return err
				}
			}
			return nil
		})
		return tx.d.translate(err)
	}
	rows, err := tx.q.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return tx.d.translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return tx.d.translate(rows.Err())
}

// ExecForTest runs a statement behind the store's back, to make the states that
// tests of refusals need. The product never calls it.
func ExecForTest(db *DB, query string) error {
	if db.commits != nil {
		return db.Update(context.Background(), func(tx *Tx) error { _, err := tx.exec(query); return err })
	}
	_, err := db.write.Exec(query)
	return err
}

// CountForTest counts a table's rows. The product never calls it.
func CountForTest(tx *Tx, table string) (n int, err error) {
	return n, tx.queryRow("SELECT count(*) FROM " + table).Scan(&n)
}

// EachSettingForTest goes over all settings. The product never calls it.
func EachSettingForTest(tx *Tx, each func(key, value string)) error {
	return tx.query(func(scan func(...any) error) error {
		var key, value string
		err := scan(&key, &value)
		each(key, value)
		return err
	}, "SELECT key, value FROM settings")
}
