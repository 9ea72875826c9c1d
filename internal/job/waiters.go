package job

import "sync"

// Waiters are goroutines of this controller that wait for the end of something,
// by its id. The zero value is ready.
type Waiters[K comparable] struct {
	mu   sync.Mutex
	list map[K]map[chan struct{}]bool
}

// Add returns a channel that End closes, and the function that gives it back.
func (w *Waiters[K]) Add(id K) (ended <-chan struct{}, forget func()) {
	c := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil {
		w.list = map[K]map[chan struct{}]bool{}
	}
	if w.list[id] == nil {
		w.list[id] = map[chan struct{}]bool{}
	}
	w.list[id][c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.list[id], c)
		if len(w.list[id]) == 0 {
			delete(w.list, id)
		}
	}
}

// End wakes all that wait for the id.
func (w *Waiters[K]) End(id K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.list[id] {
		close(c)
	}
	delete(w.list, id)
}
