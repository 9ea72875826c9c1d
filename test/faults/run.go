package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
)

// users is how many work at the same time.
const users = 3

// Run does one seed with the program. It returns the story, and whether nothing is
// wrong.
func Run(bin string, seed uint64) (story string, sound bool) {
	s := newStory()
	dir, err := os.MkdirTemp("", fmt.Sprintf("atoll-faults-%d-", seed))
	if err != nil {
		return err.Error(), false
	}
	r := rand.New(rand.NewPCG(seed, 0))
	set := draw(r)
	s.note("seed %d: %+v", seed, set)
	w, err := newWorld(s, bin, dir, set)
	if err != nil {
		s.bad("start: %v", err)
	} else {
		w.run(seed, r)
	}
	w.close()
	for _, p := range w.processes() {
		if line := p.crashed(); line != "" {
			s.bad("%s: %s", p.name, line)
		}
	}
	if s.sound() {
		return s.tell(w.logs()), os.RemoveAll(dir) == nil
	}
	s.note("its files are in %s", dir)
	return s.tell(w.logs()), false
}

// run is the load with its faults, and the checks when they are over.
func (w *world) run(seed uint64, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTime)
	defer cancel()
	l := newLoad(ctx, w)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(seed, users)
	}()
	w.note("begin")
	w.breakAll(w.plan(r))
	<-ctx.Done()
	w.heal()
	<-done
	w.note("answers: %v", l.calls)
	if err := w.until("all is quiet", patience, w.settled); err != nil {
		w.bad("%v", err)
		return
	}
	w.note("quiet")
	w.troubled.Store(0)
	l.checkJobs()
	w.clear()
	w.stopAll()
	w.checkStore()
	w.checkLeaks()
	w.note("end")
}
