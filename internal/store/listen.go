package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// listenPause is how long Listen waits before it connects anew.
const listenPause = time.Second

// toldChannel is PostgreSQL's channel of Tx.Tell.
const toldChannel = "atoll_told"

// Listener is what Listen calls. All of it must return at once.
type Listener struct {
	// Heard is called after each commit of another controller that called Tx.Notify.
	Heard func()
	// Told is called with each text of another controller's Tx.Tell.
	Told func(text string)
	// Joined is called each time that it had to connect: anything may have been missed.
	Joined func()
}

// Listen listens to the other controllers until ctx ends. On SQLite there are
// none, and it returns.
func (db *DB) Listen(ctx context.Context, l Listener) {
	if !db.Shared() {
		return
	}
	for ctx.Err() == nil {
		if err := db.listen(ctx, l); err != nil && ctx.Err() == nil {
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
func (db *DB) listen(ctx context.Context, l Listener) error {
	conn, err := pgx.Connect(ctx, db.url)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(end) //nolint:errcheck // nothing was written
	}()
	if _, err := conn.Exec(ctx, "LISTEN atoll; LISTEN "+toldChannel); err != nil {
		return err
	}
	l.Joined()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		id, text, _ := strings.Cut(n.Payload, " ")
		switch {
		case id == db.id: // our own
		case n.Channel == toldChannel:
			l.Told(text)
		default:
			l.Heard()
		}
	}
}
