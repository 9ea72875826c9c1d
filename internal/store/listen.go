package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// listenPause is how long Listen waits before it connects anew.
const listenPause = time.Second

// Listen calls heard after each commit of another controller that called
// Tx.Notify, and after each time that it had to connect, since something may have
// been missed, until ctx ends. heard must return at once. On SQLite there are no
// others, and Listen returns.
func (db *DB) Listen(ctx context.Context, heard func()) {
	if !db.Shared() {
		return
	}
	for ctx.Err() == nil {
		if err := db.listen(ctx, heard); err != nil && ctx.Err() == nil {
			db.log.Warn("listen to other controllers; connecting again", "err", err)
		}
		pause := time.NewTimer(listenPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// listen is one connection's life.
func (db *DB) listen(ctx context.Context, heard func()) error {
	conn, err := pgx.Connect(ctx, db.url)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(end) //nolint:errcheck // nothing was written
	}()
	if _, err := conn.Exec(ctx, "LISTEN atoll"); err != nil {
		return err
	}
	heard()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Payload != db.id {
			heard()
		}
	}
}
