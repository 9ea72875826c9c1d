package store

import (
	"context"
	"database/sql"
	"sync"

	"atoll/internal/cloud"
)

// committer makes the commits of concurrent callers one commit, which costs one
// fsync. One goroutine owns the writing connection.
type committer struct {
	db    *DB
	conn  *cachedConn
	calls chan *call
	wait  sync.WaitGroup
	mu    sync.RWMutex // guards closed against sends
	done  bool
}

type call struct {
	ctx  context.Context
	fn   func(tx *Tx) error
	tx   *Tx
	err  error
	over any // what fn panicked with
	end  chan struct{}
}

// maxBatch bounds how long the first caller of a batch waits for the last.
const maxBatch = 128

func newCommitter(ctx context.Context, db *DB) (*committer, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &committer{db: db, conn: &cachedConn{Conn: conn, stmts: map[string]*sql.Stmt{}}, calls: make(chan *call, maxBatch)}
	c.wait.Go(c.run)
	return c, nil
}

func (c *committer) close() {
	c.mu.Lock()
	if !c.done {
		c.done = true
		close(c.calls)
	}
	c.mu.Unlock()
	c.wait.Wait()
	c.conn.close()
}

func (c *committer) update(ctx context.Context, fn func(tx *Tx) error) error {
	k := &call{ctx: ctx, fn: fn, end: make(chan struct{})}
	c.mu.RLock()
	if c.done {
		c.mu.RUnlock()
		return cloud.Errorf(cloud.Unavailable, "the controller is stopping; try again")
	}
	c.calls <- k
	c.mu.RUnlock()
	<-k.end
	if k.over != nil {
		panic(k.over)
	}
	return k.err
}

func (c *committer) run() {
	for first := range c.calls {
		batch := []*call{first}
		c.commit(&batch)
		for _, k := range batch {
			if k.tx != nil {
				end := Undone
				if k.err == nil && k.over == nil {
					end = Committed
				}
				k.tx.ended(end)
			}
			close(k.end)
		}
	}
}

// commit runs the calls that wait as one transaction, each after the first under a
// savepoint of its own, so that the failure of one leaves the others.
func (c *committer) commit(batch *[]*call) {
	ctx := context.Background() // one caller's end must not undo the others' work
	fail := func(err error) {
		for _, k := range *batch {
			if k.err == nil {
				k.err = err
			}
		}
	}
	if _, err := c.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		fail(c.db.unavailable(err))
		return
	}
	wrote := false
	for i := 0; i < len(*batch); i++ {
		k := (*batch)[i]
		broken := c.one(ctx, k, wrote)
		if broken != nil { // SQLite gave the whole transaction up (full disk, I/O error)
			c.conn.ExecContext(ctx, "ROLLBACK") // may be gone already
			fail(c.db.d.translate(broken))
			return
		}
		wrote = wrote || k.err == nil
		if len(*batch) < maxBatch {
			select {
			case next, ok := <-c.calls:
				if ok {
					*batch = append(*batch, next)
				}
			default:
			}
		}
	}
	end := "COMMIT"
	if !wrote {
		end = "ROLLBACK"
	}
	if _, err := c.conn.ExecContext(ctx, end); err != nil {
		c.conn.ExecContext(ctx, "ROLLBACK") // so that the next batch can begin
		fail(c.db.d.translate(err))
		return
	}
}

// one runs one call. Others says that the transaction holds what other calls
// wrote. The error is one after which the transaction cannot go on.
func (c *committer) one(ctx context.Context, k *call, others bool) error {
	if err := k.ctx.Err(); err != nil {
		k.err = c.db.unavailable(err)
		return nil
	}
	if others {
		if err := c.exec(ctx, "SAVEPOINT caller"); err != nil {
			return err
		}
	}
	k.tx = &Tx{ctx: ctx, d: c.db.d, q: c.conn}
	k.err = k.run()
	failed := k.err != nil || k.over != nil
	switch {
	case others && failed:
		return c.exec(ctx, "ROLLBACK TO caller", "RELEASE caller")
	case others:
		return c.exec(ctx, "RELEASE caller")
	case failed:
		return c.exec(ctx, "ROLLBACK", "BEGIN IMMEDIATE")
	}
	return nil
}

// exec runs statements without parameters.
func (c *committer) exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := c.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (k *call) run() error {
	defer func() { k.over = recover() }() // panics again in the caller's goroutine
	return k.fn(k.tx)
}

// cachedConn prepares each statement once on its connection.
type cachedConn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
}

// maxStatements bounds the cache: lists make statements of many shapes.
const maxStatements = 500

func (c *cachedConn) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	c.stmts[query] = s
	return s, nil
}

func (c *cachedConn) forget() {
	for q, s := range c.stmts {
		s.Close()
		delete(c.stmts, q)
	}
}

func (c *cachedConn) close() {
	c.forget()
	c.Conn.Close()
}

func (c *cachedConn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *cachedConn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *cachedConn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := c.prepare(ctx, query)
	if err != nil {
		return c.Conn.QueryRowContext(ctx, query, args...) // carries the error
	}
	return s.QueryRowContext(ctx, args...)
}
