package optest

import (
	"errors"
	"slices"
	"sync"

	"atoll/internal/cloud"
	"atoll/internal/op"
)

// Point is a place in the life of an operation: the nth time that the engine
// comes to it, counted from 1.
type Point struct {
	When string // as op.Engine.Inject is asked: "before do start", "after undo start"
	Call int
}

// Faults is an op.Engine's Inject: it watches one operation and lets the faults
// that a test has laid out happen to it. The zero value lets everything pass. It
// is safe for concurrent use.
type Faults struct {
	mu      sync.Mutex
	kind    string // of the operation to watch, the next one that comes; "" for none
	id      cloud.OperationID
	calls   map[string]int
	trace   []Point
	errs    map[Point]error
	reached map[Point]chan struct{}
	held    *Point
	frozen  *Point
	thawed  <-chan struct{}
	signal  func(cloud.OperationID)
}

// Watch forgets the faults so far and watches the next operation of the kind.
// Signal is its engine's.
func (f *Faults) Watch(kind string, signal func(cloud.OperationID)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.id, f.signal = kind, "", signal
	f.calls, f.trace, f.held, f.frozen = map[string]int{}, nil, nil, nil
	f.errs, f.reached = map[Point]error{}, map[Point]chan struct{}{}
}

// At lets the error happen at the point. op.ErrWait has the step called once
// more at once.
func (f *Faults) At(p Point, err error) (reached <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[p] = err
	return f.notice(p)
}

// Hold keeps the operation at the point, with what its step has written, until
// Release.
func (f *Faults) Hold(p Point) (reached <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = &p
	return f.notice(p)
}

// Freeze stops the engine itself at the point until thaw is called, within its
// transaction if the store allows others beside it (inside), else the operation
// only. Once.
func (f *Faults) Freeze(p Point, inside bool) (thaw func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !inside {
		f.errs[p] = op.ErrWait
		f.notice(p)
		return func() {}
	}
	stop := make(chan struct{})
	f.frozen, f.thawed = &p, stop
	f.notice(p)
	return sync.OnceFunc(func() { close(stop) })
}

// Reached returns the channel that is closed when the operation comes to the
// point, of which At, Hold or Freeze was told before.
func (f *Faults) Reached(p Point) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.notice(p)
}

func (f *Faults) notice(p Point) <-chan struct{} {
	if f.reached[p] == nil {
		f.reached[p] = make(chan struct{})
		if slices.Contains(f.trace, p) {
			close(f.reached[p])
		}
	}
	return f.reached[p]
}

// Release ends Hold.
func (f *Faults) Release() {
	f.mu.Lock()
	id, signal := f.id, f.signal
	f.held = nil
	f.mu.Unlock()
	signal(id)
}

// Trace returns the points that the operation came to, in order.
func (f *Faults) Trace() []Point {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Point(nil), f.trace...)
}

// Inject implements op.Engine's Inject.
func (f *Faults) Inject(o *cloud.Operation, when string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.id == "" && f.kind == o.Kind && o.State == cloud.OperationRunning {
		f.id, f.kind = o.ID, ""
	}
	if f.id != o.ID {
		return nil
	}
	f.calls[when]++
	p := Point{when, f.calls[when]}
	f.trace = append(f.trace, p)
	if c := f.reached[p]; c != nil {
		close(c)
	}
	if f.frozen != nil && *f.frozen == p {
		thawed := f.thawed
		f.mu.Unlock() // the engine is frozen, not the others
		<-thawed
		f.mu.Lock()
		return nil
	}
	if f.held != nil && f.held.When == when && f.held.Call <= p.Call {
		return op.ErrWait
	}
	err := f.errs[p]
	if errors.Is(err, op.ErrWait) {
		f.signal(o.ID)
	}
	return err
}
