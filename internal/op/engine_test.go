package op_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/job"
	"atoll/internal/op"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// newEngine returns an engine over the store that knows one kind, "test".
func newEngine(t *testing.T, db *store.DB, me cloud.ControllerID, d op.Definition) *op.Engine {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	e := op.NewEngine(db, job.NewQueue(db, me, log, job.Hooks{}), me, log)
	d.Kind, d.Limit = "test", time.Hour
	if d.Settled == nil {
		d.Settled = func(*op.Scope, *cloud.Error) error { return nil }
	}
	e.Define(d)
	return e
}

func run(t *testing.T, e *op.Engine) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func start(t *testing.T, db *store.DB, e *op.Engine) cloud.OperationID {
	t.Helper()
	o := &cloud.Operation{Kind: "test", SubjectKind: cloud.KindMachine, SubjectID: "m"}
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return e.Start(tx, o) }); err != nil {
		t.Fatal(err)
	}
	return o.ID
}

func wait(t *testing.T, e *op.Engine, id cloud.OperationID) *cloud.Operation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o, err := e.Wait(ctx, id)
	if err != nil || o.State.Live() {
		t.Fatalf("operation = %+v, %v, want it ended", o, err)
	}
	return o
}

func nothing(*op.Scope) error { return nil }

// A transaction that collided, or found the database away, says nothing about
// the step: it is run again.
func TestFailureOfStoreIsNotTheSteps(t *testing.T) {
	db := storetest.SQLite(t)
	var calls atomic.Int64
	e := newEngine(t, db, "a", op.Definition{Steps: []op.Step{{Name: "one", Do: func(*op.Scope) error {
		if calls.Add(1) < 4 {
			return cloud.Wrap(cloud.Conflict, store.ErrChanged, "the machine was changed meanwhile")
		}
		return nil
	}}}})
	run(t, e)
	if o := wait(t, e, start(t, db, e)); o.State != cloud.OperationSucceeded || calls.Load() != 4 {
		t.Errorf("operation is %s (%s) after %d calls, want succeeded after 4", o.State, o.Error, calls.Load())
	}
}

// A job that ends at another controller while the step looks at it is not waited
// for any longer.
func TestWakeDuringTheStep(t *testing.T) {
	db := storetest.Postgres(t)
	var calls atomic.Int64
	e := newEngine(t, db, "a", op.Definition{Steps: []op.Step{{Name: "one", Do: func(s *op.Scope) error {
		if calls.Add(1) > 3 {
			return nil
		}
		err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.WakeOperation(s.Op.ID) })
		return errors.Join(err, op.ErrWait)
	}}}})
	run(t, e)
	began := time.Now()
	if o := wait(t, e, start(t, db, e)); o.State != cloud.OperationSucceeded || time.Since(began) > 10*time.Second {
		t.Errorf("operation is %s (%s) after %s", o.State, o.Error, time.Since(began))
	}
}

// An operation that met a store that was away goes on soon after it is back.
func TestStoreThatWasAway(t *testing.T) {
	db := storetest.SQLite(t)
	var calls atomic.Int64
	e := newEngine(t, db, "a", op.Definition{Steps: []op.Step{{Name: "one", Do: func(*op.Scope) error {
		if calls.Add(1) < 3 {
			return cloud.Wrap(cloud.Unavailable, io.ErrUnexpectedEOF, "the database does not answer")
		}
		return nil
	}}}})
	run(t, e)
	begin := time.Now()
	wait(t, e, start(t, db, e))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// However badly the end goes, the operation ends and says why.
func TestEndThatFails(t *testing.T) {
	for _, tt := range []struct {
		name    string
		undo    func(*op.Scope) error
		settled func(s *op.Scope, cause *cloud.Error) error
		want    string
	}{
		{"settling fails after success", nothing, func(_ *op.Scope, cause *cloud.Error) error {
			if cause == nil {
				return cloud.Errorf(cloud.Conflict, "it is gone")
			}
			return nil
		}, "it is gone"},
		{"settling fails always", nothing, func(*op.Scope, *cloud.Error) error {
			return cloud.Errorf(cloud.NotFound, "it is gone")
		}, "it is gone; settle failed too: it is gone"},
		{"settling panics", nothing, func(*op.Scope, *cloud.Error) error { panic("no") }, "internal error; settle failed too: internal error"},
		{"an undo fails always", func(*op.Scope) error { return errors.New("no") }, func(_ *op.Scope, cause *cloud.Error) error {
			if cause == nil {
				return cloud.Errorf(cloud.Conflict, "it is gone")
			}
			return nil
		}, "it is gone; undo one failed too: internal error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := storetest.SQLite(t)
			var undone atomic.Int64
			e := newEngine(t, db, "a", op.Definition{
				Steps: []op.Step{
					{Name: "zero", Do: nothing, Undo: func(*op.Scope) error { undone.Add(1); return nil }},
					{Name: "one", Do: nothing, Undo: tt.undo},
				},
				Settled: tt.settled,
			})
			run(t, e)
			o := wait(t, e, start(t, db, e))
			if o.State != cloud.OperationFailed || o.Error != tt.want || o.FinishedAt == 0 {
				t.Errorf("operation is %s because of %q, want failed because of %q", o.State, o.Error, tt.want)
			}
			if undone.Load() != 1 {
				t.Errorf("the first step was undone %d times", undone.Load())
			}
		})
	}
}

// The operations of a controller that died go on at another one, and at a
// restarted one with the same id, at the recorded step.
func TestTakeOver(t *testing.T) {
	for _, tt := range []struct {
		next    cloud.ControllerID
		expired bool
	}{{"b", true}, {"a", false}} {
		t.Run(string(tt.next), func(t *testing.T) {
			db := storetest.SQLite(t)
			var done strings.Builder
			first := newEngine(t, db, "a", op.Definition{Steps: []op.Step{{Name: "one", Do: nothing}}})
			id := start(t, db, first) // and it dies
			if tt.expired {
				storetest.Exec(t, db, "UPDATE operations SET lease_until = 0")
			}
			second := newEngine(t, db, tt.next, op.Definition{Steps: []op.Step{{Name: "one", Do: func(s *op.Scope) error {
				done.WriteString(string(s.Op.Owner))
				return nil
			}}}})
			run(t, second)
			if o := wait(t, second, id); o.State != cloud.OperationSucceeded || done.String() != string(tt.next) {
				t.Errorf("operation is %s, done by %q", o.State, done.String())
			}
		})
	}
}

// A step that panics fails; the controller goes on.
func TestStepPanics(t *testing.T) {
	db := storetest.SQLite(t)
	e := newEngine(t, db, "a", op.Definition{Steps: []op.Step{{Name: "one", Do: func(*op.Scope) error { panic("no") }}}})
	run(t, e)
	for range 2 {
		if o := wait(t, e, start(t, db, e)); o.State != cloud.OperationFailed || o.Error == "" {
			t.Errorf("operation is %s because of %q", o.State, o.Error)
		}
	}
}
