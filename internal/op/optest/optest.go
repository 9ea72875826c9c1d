// Package optest puts each kind of operation through all that may happen to it:
// each of its steps is repeated, by two controllers at once too, fails, is
// canceled, runs out of time, and loses its controller or its node, before the
// step, while it waits, after it, and in its undo. In the end the object must be
// in a static state, the ledger balanced, and nothing left on the nodes.
//
// It is for tests only and must never be imported by the product. It must never
// know what a kind does: the cases say how to start one and what is right after
// it.
package optest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
)

// World is the running installation that the operations happen in.
type World struct {
	DB     *store.DB
	Faults *Faults           // Inject of every engine of the world
	Engine func() *op.Engine // the one that runs
	// Kill ends the controller without a word and starts another on the same
	// store.
	Kill   func(t *testing.T)
	Cancel func(ctx context.Context, id cloud.OperationID) error
	// Die ends the node for good, as far as the controller knows; Back has it return
	// and waits until it has removed what it was told to.
	Die, Back func(t *testing.T)
	// Second makes another controller on the same store, that does nothing before
	// run is called.
	Second func(t *testing.T) (e *op.Engine, run func(context.Context) error)
	// Sound fails the test if an object is stuck or a balance is wrong.
	Sound func(t *testing.T)
}

// Case is one way to start an operation of a kind.
type Case struct {
	Kind string
	Way  string // tells apart the ways of one kind; "" for the only one
	// Arrange makes what the operation needs, each time anew.
	Arrange func(t *testing.T) *Subject
}

// Subject is what one operation is done to.
type Subject struct {
	Start func() (cloud.OperationID, error)
	// Away checks the object and the ledger after an operation that lost its node;
	// nil if Sound says all. Ended is called when the node is back.
	Away func(t *testing.T)
	// Ended checks the object and the nodes after the operation.
	Ended func(t *testing.T, o *cloud.Operation)
	// Clear removes everything and checks that nothing remains.
	Clear func(t *testing.T)
}

func (c Case) name() string { return strings.TrimSpace(c.Kind + " " + c.Way) }

// Covered fails the test unless the cases hold every kind that the engine knows,
// and no other.
func Covered(t *testing.T, e *op.Engine, cases []Case) {
	t.Helper()
	for kind := range e.Definitions() {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Kind == kind }) {
			t.Errorf("no case of optest starts a %s", kind)
		}
	}
	for _, c := range cases {
		if e.Definitions()[c.Kind] == nil {
			t.Errorf("case %s: there is no such kind of operation", c.name())
		}
	}
}

// NewWorld makes a world and the cases in it, always the same ones.
type NewWorld func(t *testing.T) (*World, []Case)

// each runs the test for each of the cases of the kinds, all if none is named, in
// a world of its own.
func (make NewWorld) each(t *testing.T, kinds []string, test func(t *testing.T, w *World, c Case)) {
	_, cases := make(t)
	for i, c := range cases {
		if len(kinds) > 0 && !slices.Contains(kinds, c.Kind) {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			w, cases := make(t)
			test(t, w, cases[i])
		})
	}
}

// Run puts each case through everything.
func Run(t *testing.T, make NewWorld) {
	w, cases := make(t)
	Covered(t, w.Engine(), cases)
	Some(t, make)
}

// Some is Run for some kinds.
func Some(t *testing.T, make NewWorld, kinds ...string) {
	make.each(t, kinds, func(t *testing.T, w *World, c Case) { w.all(t, c) })
}

// errFault is the error of a step that fails.
var errFault = cloud.Errorf(cloud.Unavailable, "the test broke this step")

func (w *World) all(t *testing.T, c Case) {
	forward := w.trace(t, c)
	last := forward[len(forward)-1]
	for _, p := range forward {
		w.forward(t, c, p)
	}
	for _, p := range w.undoTrace(t, c, last) {
		w.backward(t, c, last, p)
	}
}

// begins reports whether the point is before a step, or its next look at its jobs.
func (p Point) begins() bool { return strings.HasPrefix(p.When, "before") }

// trace runs the operation without faults and returns where it came.
func (w *World) trace(t *testing.T, c Case) (points []Point) {
	ok := t.Run("nothing happens", func(t *testing.T) {
		points = w.one(t, c, cloud.OperationSucceeded, func(r *run) { r.start() })
	})
	if !ok || len(points) == 0 {
		t.FailNow()
	}
	return points
}

// undoTrace fails the operation at its last point and returns where its undo came.
func (w *World) undoTrace(t *testing.T, c Case, last Point) (points []Point) {
	ok := t.Run("fail "+last.String(), func(t *testing.T) {
		points = w.one(t, c, cloud.OperationFailed, func(r *run) {
			w.Faults.At(last, errFault)
			r.start()
		})
		points = slices.DeleteFunc(points, func(p Point) bool { return !strings.Contains(p.When, " undo ") })
	})
	if !ok {
		t.FailNow()
	}
	return points
}

// known drops the later looks at a waiting step, of which there may be any number.
func known(points []Point) []Point {
	return slices.DeleteFunc(points, func(p Point) bool { return p.Call > 2 })
}

// String implements fmt.Stringer.
func (p Point) String() string { return fmt.Sprintf("%s %d", p.When, p.Call) }

// forward is all that may happen at a point on the way forward.
func (w *World) forward(t *testing.T, c Case, p Point) {
	t.Run("fail "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationFailed, func(r *run) {
			w.Faults.At(p, errFault)
			r.start()
		})
	})
	t.Run("kill "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationSucceeded, func(r *run) { r.kill(p) })
	})
	t.Run("cancel "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationCanceled, func(r *run) {
			r.hold(p)
			if err := w.Cancel(t.Context(), r.id); err != nil {
				t.Fatal(err)
			}
			w.Faults.Release()
		})
	})
	if !p.begins() {
		t.Run("repeat "+p.String(), func(t *testing.T) {
			w.one(t, c, cloud.OperationSucceeded, func(r *run) { r.repeat(p) })
		})
		return
	}
	t.Run("lose the node "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationCanceled, func(r *run) {
			r.hold(p)
			r.die()
			if err := w.Cancel(t.Context(), r.id); err != nil {
				t.Fatal(err)
			}
			w.Faults.Release()
		})
	})
	t.Run("time out "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationFailed, func(r *run) {
			r.hold(p)
			w.exec(t, "UPDATE operations SET deadline = 1, version = version + 1 WHERE id = '"+string(r.id)+"'")
			w.Faults.Release()
		})
	})
}

// backward is all that may happen at a point of the undo, after the last point
// of the way forward.
func (w *World) backward(t *testing.T, c Case, last, p Point) {
	t.Run("fail "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationFailed, func(r *run) {
			w.Faults.At(last, errFault)
			w.Faults.At(p, errFault)
			r.start()
		})
	})
	t.Run("kill "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationFailed, func(r *run) {
			w.Faults.At(last, errFault)
			r.kill(p)
		})
	})
	if !p.begins() {
		t.Run("repeat "+p.String(), func(t *testing.T) {
			w.one(t, c, cloud.OperationFailed, func(r *run) {
				w.Faults.At(last, errFault)
				r.repeat(p)
			})
		})
		return
	}
	t.Run("lose the node "+p.String(), func(t *testing.T) {
		w.one(t, c, cloud.OperationFailed, func(r *run) {
			w.Faults.At(last, errFault)
			r.hold(p)
			r.die()
			w.Faults.Release()
		})
	})
}

// run is one operation under test.
type run struct {
	t  *testing.T
	w  *World
	s  *Subject
	id cloud.OperationID
	// dead says that the node is.
	dead bool
}

// one arranges, lets the fault happen, waits for the end and checks everything. It
// returns where the operation came.
func (w *World) one(t *testing.T, c Case, want cloud.OperationState, happen func(r *run)) []Point {
	t.Helper()
	r := &run{t: t, w: w, s: c.Arrange(t)}
	w.Faults.Watch(c.Kind, func(id cloud.OperationID) { w.Engine().Signal(id) })
	happen(r)
	o := w.Ended(t, r.id)
	switch {
	case o.State != want:
		t.Errorf("the operation %s (%s at %s), want %s", o.State, o.Error, o.StepName, want)
	case want != cloud.OperationSucceeded && o.Error == "":
		t.Errorf("the operation %s without a reason", o.State)
	case o.FinishedAt == 0:
		t.Errorf("the operation %s without a time", o.State)
	}
	points := known(w.Faults.Trace())
	w.Sound(t)
	if r.dead {
		if r.s.Away != nil {
			r.s.Away(t)
		}
		w.Back(t)
	}
	r.s.Ended(t, o)
	r.s.Clear(t)
	w.Sound(t)
	return points
}

func (r *run) start() {
	r.t.Helper()
	var err error
	if r.id, err = r.s.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// hold starts the operation and waits until it is held at the point.
func (r *run) hold(p Point) {
	r.t.Helper()
	reached := r.w.Faults.Hold(p)
	r.start()
	r.wait(reached, p)
}

func (r *run) die() {
	r.t.Helper()
	r.w.Die(r.t)
	r.dead = true
}

// kill starts the operation and kills its controller at the point.
func (r *run) kill(p Point) {
	r.t.Helper()
	reached := r.w.Faults.At(p, op.ErrCrash)
	r.start()
	r.wait(reached, p)
	r.w.Kill(r.t)
}

// repeat starts the operation and has the step done again after it was done.
func (r *run) repeat(p Point) {
	r.t.Helper()
	reached := r.w.Faults.At(p, op.ErrWait)
	r.start()
	r.wait(reached, p)
}

// patience is how long an operation may take to come anywhere: not longer than the
// minute after which an agent and its controller compare what each holds, as nothing
// may get lost between them.
const patience = time.Minute

func (r *run) wait(reached <-chan struct{}, p Point) {
	r.t.Helper()
	select {
	case <-reached:
	case <-time.After(patience):
		r.t.Fatalf("the operation did not come to %q within %s; it was at %v", p, patience, r.w.Faults.Trace())
	}
}

// Twice has each case done by two controllers at once: the first one freezes
// before a step, a second one takes the operation over and ends it, and the first
// one, which is told all the while that there is something to do, must change
// nothing. On a store for several controllers the first one freezes within its
// transaction, after it has seen that the operation is its own.
func Twice(t *testing.T, make NewWorld) {
	make.each(t, nil, func(t *testing.T, w *World, c Case) {
		forward := w.trace(t, c)
		last := forward[len(forward)-1]
		for _, p := range forward {
			if p.begins() {
				t.Run("freeze "+p.String(), func(t *testing.T) { w.twice(t, c, p, cloud.OperationSucceeded, nil) })
			}
		}
		for _, p := range w.undoTrace(t, c, last) {
			if p.begins() {
				t.Run("freeze "+p.String(), func(t *testing.T) {
					w.twice(t, c, p, cloud.OperationFailed, func() { w.Faults.At(last, errFault) })
				})
			}
		}
	})
}

func (w *World) twice(t *testing.T, c Case, p Point, want cloud.OperationState, arm func()) {
	w.one(t, c, want, func(r *run) {
		if arm != nil {
			arm()
		}
		thaw := w.Faults.Freeze(p, w.DB.Shared())
		defer thaw()
		r.start()
		r.wait(w.Faults.Reached(p), p)
		second, runs := w.Second(t)
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		w.steal(t, r.id, second)
		all.Go(func() {
			if err := runs(ctx); err != nil {
				t.Errorf("second controller: %v", err)
			}
		})
		all.Go(func() { // both hear of everything, as of a job that has ended
			for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				second.Signal(r.id)
				w.Engine().Signal(r.id)
			}
		})
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if _, err := second.Wait(wait, r.id); err != nil {
			t.Error(err)
		}
	})
}

// steal ends the first controller's leases and has the second one take them,
// before the first one renews them.
func (w *World) steal(t *testing.T, id cloud.OperationID, e *op.Engine) {
	t.Helper()
	err := w.DB.Update(t.Context(), func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if err := tx.ReleaseOperations(w.Engine().Controller()); err != nil {
			return err
		}
		_, err = tx.ClaimOperations(e.Controller(), now, now.Add(patience), 100)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Ended waits until the operation has ended.
func (w *World) Ended(t *testing.T, id cloud.OperationID) *cloud.Operation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o, err := w.Engine().Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if o.State.Live() {
		t.Fatalf("the operation is still %s at %q (%s) after %s; it was at %v", o.State, o.StepName, o.Message, patience, w.Faults.Trace())
	}
	return o
}

func (w *World) exec(t *testing.T, query string) {
	t.Helper()
	if err := store.ExecForTest(w.DB, query); err != nil {
		t.Fatal(err)
	}
}
