package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"atoll/internal/cloud"
)

// dialect is all that differs between SQLite and PostgreSQL.
type dialect struct {
	sqlite   bool
	goose    goose.Dialect
	position string   // function that finds a part of a text, faster than LIKE does
	bound    sync.Map // query with ? to query with $1, …
	shapes   sync.Map // form of a statement of the hot path to its text or *rowsStatement
}

// begins is the condition that a column begins with the text: by an index of the
// column where the database compares texts byte by byte.
func (d *dialect) begins(col, text string) (string, []any) {
	if d.sqlite {
		return col + " >= ? AND " + col + " < ?", []any{text, text + "\U0010ffff"}
	}
	return "starts_with(" + col + ", ?)", []any{text}
}

func (db *DB) connect(ctx context.Context, dsn string) error {
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		return db.connectSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return db.connectPostgres(ctx, dsn)
	}
	return cloud.FieldErrorf("database", "%q is no database: expected sqlite:FILE or postgres://…", dsn)
}

func (db *DB) connectSQLite(ctx context.Context, file string) error {
	db.d = &dialect{sqlite: true, goose: goose.DialectSQLite3, position: "instr"}
	unlock, err := lockFile(file + ".lock")
	if err != nil {
		return err
	}
	db.unlock = unlock
	// WAL lets readers go on beside the writer; FULL makes a commit survive a
	// power cut (https://www.sqlite.org/pragma.html#pragma_synchronous). Writers wait
	// while the log is copied into the database, which each page that many of them
	// changed costs once: 64 MiB of log are copied together.
	q := url.Values{"_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "busy_timeout(10000)",
		"wal_autocheckpoint(16000)", "cache_size(-32768)", "temp_store(MEMORY)",
	}}
	name := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
	if db.write, err = sql.Open("sqlite", name); err != nil {
		return err
	}
	db.write.SetMaxOpenConns(1)
	q.Add("_pragma", "query_only(ON)")
	q.Set("_txlock", "deferred")
	if db.read, err = sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode()); err != nil {
		return err
	}
	db.readers = newReaders(db.read)
	return db.write.PingContext(ctx)
}

func (db *DB) connectPostgres(ctx context.Context, dsn string) error {
	db.d = &dialect{goose: goose.DialectPostgres, position: "strpos"}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	db.read = stdlib.OpenDB(*config)
	db.write = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(byIndex))
	for _, pool := range []*sql.DB{db.read, db.write} {
		pool.SetMaxOpenConns(maxPool)
		pool.SetMaxIdleConns(maxPool)
	}
	return db.write.PingContext(ctx)
}

// maxPool bounds the connections of those who read, and of those who write.
const maxPool = 10

// byIndex makes a writing connection find rows by index: the server keeps a plan
// that it made when a table was small, and one that reads the whole table goes on
// doing so while thousands of jobs come.
func byIndex(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SET enable_seqscan = off")
	return err
}

// lockFile makes a second controller on the same file fail at once.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Clean(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, cloud.Errorf(cloud.Conflict, "another controller uses %s; several controllers need PostgreSQL", strings.TrimSuffix(name, ".lock"))
	}
	return func() { f.Close() }, nil
}

// rebind turns ? into $1, $2, … for PostgreSQL. Queries hold no ? but parameters.
func (d *dialect) rebind(query string) string {
	if d.sqlite {
		return query
	}
	if q, ok := d.bound.Load(query); ok {
		return q.(string)
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	d.bound.Store(query, b.String())
	return b.String()
}

// plain turns pointers and named types into what both drivers take.
func plain(args []any) []any {
	for i, a := range args {
		if v, err := driver.DefaultParameterConverter.ConvertValue(a); err == nil {
			args[i] = v
		}
	}
	return args
}

// translate makes the database's errors ours. Each unique index has its words in
// uniqueMessages.
func (d *dialect) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return cloud.Wrap(cloud.Timeout, err, "the call ended before the database answered")
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return translateSQLite(lite)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == "23505":
			return uniqueError(pg.ConstraintName, err)
		case pg.Code == "57014":
			return cloud.Wrap(cloud.Timeout, err, "the call ended before the database answered")
		case pg.Code == "22021" || pg.Code == "22P05":
			return cloud.Wrap(cloud.Invalid, err, "a text has a zero byte in it, or is no UTF-8")
		case strings.HasPrefix(pg.Code, "53"): // insufficient resources: disk full, too many connections
			return cloud.Wrap(cloud.Unavailable, err, "the database has no room or no connection left; tell your operator")
		}
	}
	return err
}

func translateSQLite(err *sqlite.Error) error {
	switch code := err.Code(); {
	case code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return uniqueError(err.Error(), err)
	case code&0xff == sqlite3.SQLITE_FULL:
		return cloud.Wrap(cloud.Unavailable, err, "the controller's disk is full; free some room")
	case code&0xff == sqlite3.SQLITE_INTERRUPT:
		return cloud.Wrap(cloud.Timeout, err, "the call ended before the database answered")
	}
	return err
}

// isRetryable reports whether the transaction may just be run again:
// serialization_failure and deadlock_detected
// (https://www.postgresql.org/docs/current/errcodes-appendix.html), and two
// transactions that leased jobs of one key: the second time one sees the other's.
func (d *dialect) isRetryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505" && pg.ConstraintName == "jobs_key_held")
}

// uniqueError names the field of a unique index. SQLite names the columns
// ("machines.cloudspace_id, machines.name"), PostgreSQL the index.
func uniqueError(what string, cause error) error {
	field := "id"
	switch {
	case strings.Contains(what, "_port") && strings.Contains(what, "forward"):
		field = "public_port"
	case strings.Contains(what, "address"):
		field = "address"
	case strings.Contains(what, "slug"):
		field = "slug"
	case strings.Contains(what, ".name"), strings.HasSuffix(what, "_name"):
		field = "name"
	case strings.Contains(what, "memberships"):
		field = "user"
	case strings.Contains(what, "step"):
		field = "step"
	}
	e := cloud.Wrap(cloud.Conflict, cause, "is taken; choose another one")
	e.Field = field
	return e
}

// ErrChanged is the cause of the Conflict that a write of a stale version is.
var ErrChanged = errors.New("stale version")

// Broken reports whether err says nothing about what was asked: the database was
// away or full, the transaction collided with another one, the row was changed
// meanwhile, or the caller's ctx ended. The same transaction may succeed when it
// is run again.
func Broken(err error) bool {
	for _, cause := range []error{
		ErrChanged, context.Canceled, context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) { // but for wrong values (22), constraints (23) and wrong queries (42)
		return !slices.Contains([]string{"22", "23", "42"}, pg.Code[:2])
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return !slices.Contains([]int{sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}, lite.Code()&0xff)
	}
	var network net.Error
	return errors.As(err, &network)
}

// IsTaken reports whether err says that a unique value exists already.
func IsTaken(err error, field string) bool {
	var e *cloud.Error
	return errors.As(err, &e) && e.Kind == cloud.Conflict && e.Field == field && e.State == ""
}

func notFound(kind cloud.Kind, ref any) error {
	return cloud.Errorf(cloud.NotFound, "there is no %s %v", kind, ref)
}

func in(column string, n int) string {
	return fmt.Sprintf("%s IN (%s)", column, strings.TrimSuffix(strings.Repeat("?,", n), ","))
}
