package lab

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// An image is deleted, or a machine is made from it, but never both, whichever
// controllers do it and whose transaction comes first.
func TestImageIsDeletedWhileAMachineIsMade(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	l := New(t, storetest.Open(t, dsn), 1, sim.Config{})
	second := l.AddController(storetest.Open(t, dsn))
	l.image("disk")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	waiting := func() (n int) {
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	create := func() chan error {
		done := make(chan error, 1)
		go func() {
			_, o, err := l.Control.CreateMachine(t.Context(), l.Admin, control.NewMachine{
				Account: "default", Cloudspace: "default", Name: "web-1", Image: "disk", Size: "tiny",
			})
			if err == nil {
				_, err = l.Control.WaitOperation(t.Context(), l.Admin, o.ID)
			}
			done <- err
		}()
		return done
	}

	// The machine's transaction has found the image and waits for the quota.
	release := l.holding(func(tx *store.Tx) error {
		a, err := tx.AccountNamed("default")
		if err != nil {
			return err
		}
		return tx.Post(cloud.Entry{Scope: cloud.Scope{Kind: cloud.KindAccount, ID: string(a.ID)}, Resource: cloud.Resources[0], Delta: 1})
	}, errors.New("taken back"))
	made := create()
	l.Until("the machine's transaction waits", func() bool { return waiting() == 1 })
	deleted := make(chan error, 1)
	go func() { deleted <- second.Control.DeleteImage(t.Context(), l.Admin, "", "disk") }()
	l.Until("the image's transaction waits for the machine's", func() bool { return waiting() == 2 || len(deleted) > 0 })
	release()
	if err := <-made; err != nil {
		t.Errorf("create: %v", err)
	}
	if err := <-deleted; !cloud.Is(err, cloud.Conflict) {
		t.Errorf("delete of an image of which a machine was being made = %v, want a conflict", err)
	}

	_, o, err := l.Control.DeleteMachine(t.Context(), l.Admin, l.ref("web-1"), false)
	l.Done(o, err)
	release = l.holding(func(tx *store.Tx) error {
		i, err := tx.ImageNamed("", "disk")
		if err != nil {
			return err
		}
		if err := tx.LockImage(i.ID); err != nil {
			return err
		}
		i.State, i.DeletedAt = cloud.ImageDeleted, cloud.Now()
		return tx.UpdateImage(i)
	}, nil)
	made = create()
	l.Until("the machine's transaction waits for the image's", func() bool { return waiting() == 1 || len(made) > 0 })
	release()
	if err := <-made; !cloud.Is(err, cloud.NotFound) {
		t.Errorf("create from an image that was being deleted = %v, want that it is not there", err)
	}
	l.Sound()
}

// holding keeps a transaction open after fn until release is called, which ends
// it with the error.
func (l *Lab) holding(fn func(tx *store.Tx) error, with error) (release func()) {
	l.T.Helper()
	begun, end, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- l.DB.Update(l.T.Context(), func(tx *store.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			close(begun)
			<-end
			return with
		})
	}()
	select {
	case <-begun:
	case err := <-over:
		l.T.Fatal(err)
	}
	return func() {
		l.T.Helper()
		close(end)
		if err := <-over; !errors.Is(err, with) {
			l.T.Fatal(err)
		}
	}
}

// A machine takes all the user data that it may have, whatever it looks like as JSON.
func TestLongUserData(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	_, o, err := l.Control.CreateMachine(t.Context(), l.Admin, control.NewMachine{
		Account: "default", Cloudspace: "default", Name: "web-1", Image: "disk", Size: "tiny", UserData: strings.Repeat("<", cloud.MaxUserData),
	})
	l.Done(o, err)
}

func TestLongCommandIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	_, err := l.Control.StartRun(t.Context(), l.Admin, control.Run{Command: []string{"echo", strings.Repeat("x", cloud.MaxJobArgs)}, All: true})
	if !cloud.Is(err, cloud.Invalid) {
		t.Errorf("a run of more arguments than a job takes = %v, want invalid", err)
	}
}
