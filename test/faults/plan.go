package faults

import (
	"math/rand/v2"
	"sync"
	"time"
)

// fault is something that goes wrong at a moment, for a while.
type fault struct {
	at, lasts time.Duration
	do        func()
	undo      func() // nil if it ends by itself
}

const (
	loadTime = 1500 * time.Millisecond
	maxLasts = 600 * time.Millisecond
)

// draw lays out the seed's installation.
func draw(r *rand.Rand) setup {
	s := setup{controllers: 1, postgres: r.IntN(5) == 0, clocks: r.IntN(3) == 0}
	if s.postgres {
		s.controllers += r.IntN(2)
	} else if r.IntN(3) == 0 {
		s.smallDisk = pick(r, []string{"controller-1", "agent-1"})
	}
	s.metal = r.IntN(10) == 0
	if r.IntN(4) == 0 {
		s.infancy = time.Duration(r.Int64N(int64(400 * time.Millisecond)))
	}
	return s
}

// plan lays out what goes wrong, and when.
func (w *world) plan(r *rand.Rand) []fault {
	list := make([]fault, 3+r.IntN(4))
	for i := range list {
		f := w.fault(r)
		f.at = time.Duration(r.Int64N(int64(loadTime)))
		if f.lasts == 0 {
			f.lasts = time.Duration(r.Int64N(int64(maxLasts)))
		}
		list[i] = f
	}
	return list
}

func (w *world) fault(r *rand.Rand) fault {
	controller, agent := pick(r, w.controllers), pick(r, w.agents)
	if r.IntN(4) == 0 {
		agent = w.hosts
	}
	d := w.disks[w.small()]
	switch n := r.IntN(18); {
	case n < 3:
		return w.death(r, controller)
	case n < 6:
		return w.death(r, agent)
	case n < 7:
		return w.death(r, controller, agent)
	case n < 8:
		return w.death(r, w.processes()...)
	case n < 9:
		return fault{do: controller.freeze, undo: controller.thaw, lasts: time.Duration(r.Int64N(int64(2 * time.Second)))}
	case n < 10:
		return fault{do: agent.freeze, undo: agent.thaw, lasts: time.Duration(r.Int64N(int64(3500 * time.Millisecond)))}
	case n < 12:
		wire, bytes := pick(r, w.wires[agent]), r.Int64N(3000)
		return fault{do: func() { wire.cutAfter(bytes) }}
	case n < 13:
		wire := pick(r, w.wires[agent])
		return fault{do: wire.lose, undo: wire.restore}
	case n < 15:
		wire := pick(r, w.wires[agent])
		return fault{do: wire.swallow, undo: wire.restore, lasts: time.Duration(r.Int64N(int64(2 * time.Second)))}
	case n < 16:
		way, bytes := pick(r, w.people), r.Int64N(3000)
		return fault{do: func() { way.cutAfter(bytes) }}
	case w.database != nil:
		return fault{do: w.database.kill, undo: w.database.start}
	case d != nil:
		return fault{do: d.fill, undo: d.empty}
	}
	return w.death(r, controller)
}

// small is the process with the small disk, nil if there is none.
func (w *world) small() *process {
	for p := range w.disks {
		return p
	}
	return nil
}

// death kills processes, which are back after a while, perhaps with a wrong clock.
func (w *world) death(r *rand.Rand, list ...*process) fault {
	clocks := make([]time.Duration, len(list))
	for i := range clocks {
		if w.clocks {
			clocks[i] = time.Duration(r.Int64N(int64(20*time.Minute))) - 10*time.Minute
		}
	}
	return fault{
		do: func() {
			var all sync.WaitGroup
			for _, p := range list {
				all.Go(p.kill)
			}
			all.Wait()
		},
		undo: func() {
			for i, p := range list {
				p.setClock(clocks[i])
				p.start()
			}
		},
	}
}

// break lets the faults happen, each in its time.
func (w *world) breakAll(list []fault) {
	var all sync.WaitGroup
	for _, f := range list {
		all.Go(func() {
			time.Sleep(f.at) // its moment
			w.troubled.Add(1)
			f.do()
			if f.undo != nil {
				time.Sleep(f.lasts) // its time
				f.undo()
			}
		})
	}
	all.Wait()
}
