package store

import (
	"context"
	"database/sql"
	"sync"
)

// readers are SQLite's reading connections. Each keeps its prepared statements,
// which database/sql's transactions do not: preparing one costs more than running it.
type readers struct {
	db    *sql.DB
	turns chan struct{}
	mu    sync.Mutex
	idle  []*cachedConn // the last used one last: its pages are in its cache
}

const maxReaders = 8

func newReaders(db *sql.DB) *readers {
	return &readers{db: db, turns: make(chan struct{}, maxReaders)}
}

// begin begins a reading transaction, which the caller ends by done.
func (r *readers) begin(ctx context.Context) (_ queryer, done func(), err error) {
	select {
	case r.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	c, err := r.take(ctx)
	unwatched := context.WithoutCancel(ctx) // see Tx.queryRow
	if err == nil {
		if _, err = c.ExecContext(unwatched, "BEGIN"); err != nil {
			c.close()
		}
	}
	if err != nil {
		<-r.turns
		return nil, nil, err
	}
	return c, func() {
		defer func() { <-r.turns }()
		if _, err := c.ExecContext(unwatched, "ROLLBACK"); err != nil {
			c.close()
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.idle = append(r.idle, c)
	}, nil
}

func (r *readers) take(ctx context.Context) (*cachedConn, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &cachedConn{Conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

// close waits for those who read. It may be called twice.
func (r *readers) close() {
	for range maxReaders {
		r.turns <- struct{}{}
		defer func() { <-r.turns }()
	}
	for _, c := range r.idle {
		c.close()
	}
	r.idle = nil
}
