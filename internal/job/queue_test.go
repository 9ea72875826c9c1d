package job

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// each runs the test on each store.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { test(t, newRig(t, db)) })
}

func TestJobIsHandedOverAcknowledgedAndEnded(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		w := a.say()
		if !w.held() {
			t.Fatal("an exchange was answered with nothing to say")
		}
		j := a.job()
		r.add(j)
		got := a.take(w)
		if len(got.Jobs) != 1 || got.Jobs[0].ID != j.ID || got.Jobs[0].Token != 1 || !slices.Equal(got.Trust, r.hooks.Trust) {
			t.Fatalf("answer = %+v; want the job with token 1 and the keys", got)
		}
		if l := r.want(j, cloud.JobLeased); l.NodeID != a.peer.Node || l.Attempt != 1 {
			t.Fatalf("leased job = %+v", l)
		}
		w = a.say()
		r.want(j, cloud.JobRunning)
		res := wire.Result{
			JobRef: got.Jobs[0].JobRef, State: cloud.JobFailed, ExitCode: 3, Output: "a\x00\xff", Result: []byte(`{"x":1}`),
			Stats: []wire.Stat{{Key: "k", Value: 1, Type: "g"}}, Error: "no",
		}
		w2 := a.say(res)
		if w.answer() != nil {
			t.Error("the exchange that a newer one replaced was answered, not dropped")
		}
		end := r.want(j, cloud.JobFailed)
		if end.ExitCode != 3 || end.Output != "a��" || string(end.Result) != `{"x":1}` || end.Error != "no" || end.FinishedAt == 0 {
			t.Errorf("ended job = %+v", end)
		}
		j2 := a.job()
		r.add(j2)
		if got := a.take(w2); len(got.Forget) != 1 || got.Forget[0] != res.JobRef || got.Trust != nil {
			t.Errorf("answer = %+v; want the result to be forgotten and the keys said once", got)
		}
	})
}

func TestLostAnswerComesAgainWithItsToken(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		j, k := a.job(), a.job()
		r.add(j, k)
		first := a.say().answer() // it never reaches the agent
		r.update(func(tx *store.Tx) error { return r.Cancel(tx, k.ID, "test") })
		open := wire.StreamOpen{ID: "s", Kind: wire.StreamConsole}
		if err := r.OpenStream(a.peer.Node, open); err != nil {
			t.Fatal(err)
		}
		second := a.say().answer() // nor does this one
		if len(second.Jobs) != 2 || len(second.Cancel) != 1 || len(second.Streams) != 1 {
			t.Fatalf("second answer = %+v", second)
		}
		got := a.ask()
		if !slices.Equal(refs(got.Jobs), refs(first.Jobs)) || got.Jobs[0].Token != 1 || got.Jobs[1].Token != 1 {
			t.Errorf("jobs = %v, want the same as in the first answer: %v", got.Jobs, first.Jobs)
		}
		if len(got.Cancel) != 1 || got.Cancel[0].ID != k.ID || len(got.Streams) != 1 || got.Streams[0].ID != open.ID {
			t.Errorf("answer = %+v; want the cancel and the stream of the lost answer", got)
		}
		if !slices.Equal(got.Trust, r.hooks.Trust) {
			t.Error("the keys of a lost answer were not said again")
		}
		if l := r.stored(j); l.State != cloud.JobLeased || l.Attempt != 1 {
			t.Errorf("job = %s at attempt %d", l.State, l.Attempt)
		}
		w := a.say()
		r.want(j, cloud.JobRunning)
		if !w.held() {
			t.Errorf("answer = %+v; want nothing left to say", w.got)
		}
	})
}

func TestResultsCountOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, b := r.agent(), r.agent()
		b.say()
		j := a.job()
		r.add(j)
		ref := a.ask().Jobs[0].JobRef
		stale := wire.Result{JobRef: wire.JobRef{ID: ref.ID, Token: 0}, State: cloud.JobSucceeded}
		a.say(stale)
		r.want(j, cloud.JobRunning)
		b.say(ok(ref)) // of a node that does not hold it
		r.want(j, cloud.JobRunning)
		a.say(wire.Result{JobRef: ref, State: cloud.JobFailed}, ok(ref))
		r.want(j, cloud.JobFailed)
		a.say(ok(ref))
		r.want(j, cloud.JobFailed)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ended[j.ID] != 1 {
			t.Errorf("the end was told %d times", r.ended[j.ID])
		}
	})
}

func TestUnknownStatesAreFailures(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		for _, state := range []cloud.JobState{"", "queued", "running", "banana"} {
			j := a.job()
			r.add(j)
			a.say(wire.Result{JobRef: a.ask().Jobs[0].JobRef, State: state})
			r.want(j, cloud.JobFailed)
		}
	})
}

func TestOutputOfOthersJobsIsNotTaken(t *testing.T) {
	db := storetest.SQLite(t)
	r := newRig(t, db)
	var got []wire.LogChunk
	r.hooks.StoreLog = func(_ context.Context, c wire.LogChunk) error { got = append(got, c); return nil }
	r.restart()
	a, b := r.agent(), r.agent()
	j := a.job()
	r.add(j)
	ref := a.ask().Jobs[0].JobRef
	chunk := wire.LogChunk{JobRef: ref, Data: "x"}
	x := b.next()
	x.Logs = []wire.LogChunk{chunk, {JobRef: wire.JobRef{ID: "../../other", Token: 1}}}
	b.send(x)
	if len(got) != 0 {
		t.Fatalf("stored %v of a job that the node does not hold", got)
	}
	x = a.next()
	x.Logs = []wire.LogChunk{chunk, {JobRef: ref, Sequence: -1}, {JobRef: wire.JobRef{ID: ref.ID, Token: 7}}}
	a.send(x)
	if len(got) != 1 || r.stored(j).Segments != 1 {
		t.Errorf("stored %v and %d segments; want the one chunk", got, r.stored(j).Segments)
	}
}

func TestPriorityThenAge(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		jobs := make([]*cloud.Job, 6)
		for i, p := range []int64{0, 5, 0, 5, -1, 9} {
			jobs[i] = a.job()
			jobs[i].Priority = p
		}
		for _, i := range []int{4, 2, 0, 3, 5, 1} {
			r.add(jobs[i])
		}
		a.takes(1)
		var got []cloud.JobID
		var last []wire.Result
		for range jobs {
			ans := a.take(a.say(last...))
			got, last = append(got, refs(ans.Jobs)...), oks(ans.Jobs)
		}
		var want []cloud.JobID
		for _, i := range []int{5, 1, 3, 0, 2, 4} {
			want = append(want, jobs[i].ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("order = %v, want %v", got, want)
		}
	})
}

// Where many jobs of one queue wait on the node already, those of a queue with free
// places do not wait behind them.
func TestFullQueueLeavesOthersFree(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		a.room, a.free = 3, map[string]int{"*": 1, "check": 0, "ask": 2}
		job := func(queue string) *cloud.Job {
			j := a.job()
			j.Queue = queue
			return j
		}
		w := a.say()
		for range 3 {
			r.add(job("check"))
		}
		for n := 0; n < 3; w = a.say() {
			n += len(a.take(w).Jobs)
		}
		a.room = 0
		w2 := a.say()
		w.answer()
		check := job("check")
		asks := []*cloud.Job{job("ask"), job("ask"), job("ask")}
		r.add(check)
		r.add(asks...)
		if got := refs(a.take(w2).Jobs); !slices.Equal(got, []cloud.JobID{asks[0].ID, asks[1].ID}) {
			t.Errorf("jobs = %v, want those of the queue ask that have a place", got)
		}
		r.want(check, cloud.JobQueued)
		r.want(asks[2], cloud.JobQueued)
	})
}

func TestLongLanesLoseAndStarveNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		const n = 2*laneWindow + 700
		var all []*cloud.Job
		for range n / 100 {
			batch := make([]*cloud.Job, 100)
			for i := range batch {
				batch[i] = a.job()
			}
			r.add(batch...)
			all = append(all, batch...)
		}
		urgent := a.job()
		urgent.Priority = 1
		a.room = 300
		var got []cloud.JobID
		ans := a.ask()
		r.add(urgent)
		for len(got) < n+1 {
			got = append(got, refs(ans.Jobs)...)
			if len(got) == n+1 {
				break
			}
			// Newer jobs keep coming, which must not overtake those that wait in the store.
			if len(all) < n+500 {
				j := a.job()
				r.add(j)
				all = append(all, j)
			}
			ans = a.take(a.say(oks(ans.Jobs)...))
			if len(got) == 300 && ans.Jobs[0].ID != urgent.ID {
				t.Error("the urgent job is not the next")
			}
		}
		got = slices.DeleteFunc(got, func(id cloud.JobID) bool { return id == urgent.ID })
		for i, id := range got {
			if id != all[i].ID {
				t.Fatalf("job %d came in place of %s", i, all[i].ID)
			}
		}
	})
}

// An account with more jobs than a lane holds in memory must not keep others
// waiting, wherever the jobs come from.
func TestAccountsTakeTurns(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		a.room = 4
		of := func(account cloud.AccountID, n int) []*cloud.Job {
			jobs := make([]*cloud.Job, n)
			for i := range jobs {
				jobs[i] = a.job()
				jobs[i].AccountID = account
			}
			return jobs
		}
		many := of("many", 2*laneWindow+500)
		r.add(many...)
		held := a.ask().Jobs
		for name, add := range map[string]func(...*cloud.Job){
			"here":             r.add,
			"before the start": func(jobs ...*cloud.Job) { r.add(jobs...); r.restart() },
			"at another controller": func(jobs ...*cloud.Job) {
				other := NewQueue(r.db, cloud.NewID[cloud.ControllerID](), r.log, r.hooks)
				r.update(func(tx *store.Tx) error { return other.Add(tx, jobs...) })
				if err := r.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
		} {
			few, urgent := of("few", 4), of("other", 1)
			urgent[0].Priority = 1
			want := append(slices.Clone(urgent), few...)
			add(append(few, urgent...)...)
			turn := map[cloud.JobID]int{}
			for n := 0; n < 12; n += len(held) {
				held = a.take(a.say(oks(held)...)).Jobs
				for i := range held {
					turn[held[i].ID] = n + i
				}
			}
			for i, j := range want {
				if at, ok := turn[j.ID]; !ok || at > 2*i+1 {
					t.Errorf("added %s: job %d of the others came as number %d (%t)", name, i, at, ok)
				}
			}
		}
	})
}

func TestKeysRunOneAtATime(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, b := r.agent(), r.agent()
		keyed := func(of *agent, queue string) *cloud.Job {
			j := of.job()
			j.Key, j.Queue = "k", queue
			return j
		}
		j := []*cloud.Job{keyed(a, ""), keyed(a, ""), keyed(a, cloud.QueueIO), keyed(b, "")}
		a.room, b.room = 4, 4
		r.add(j[0])
		wa := a.say()
		held := a.take(wa).Jobs
		r.add(j[1:]...)
		wa, wb := a.say(), b.say()
		if !wa.held() || !wb.held() {
			t.Fatal("two jobs of one key were handed over")
		}
		// What waits for a key takes no places.
		free := []*cloud.Job{a.job(), a.job(), a.job(), a.job()}
		r.add(free...)
		got := []wire.Job{}
		for len(got) < len(free) {
			got = append(got, a.take(wa).Jobs...)
			wa = a.say()
		}
		wa = a.say(append(oks(got), oks(held)...)...)
		turn := map[*agent]*waiter{a: wa, b: wb}
		for n := 1; n < len(j); n++ {
			var of *agent
			until(t, "the next of the key is handed over", func() bool {
				for ag, w := range turn {
					if !w.held() {
						of = ag
						return true
					}
				}
				return false
			})
			jobs := of.take(turn[of]).Jobs
			if len(jobs) != 1 || !turn[a].held() && !turn[b].held() {
				t.Fatalf("%d jobs of the key at once", len(jobs))
			}
			turn[of] = of.say(oks(jobs)...)
		}
		for _, j := range j {
			r.want(j, cloud.JobSucceeded)
		}
		if len(r.keys) != 0 {
			t.Errorf("keys = %v after all jobs have ended", r.keys)
		}
	})
}

func TestKeyedJobsDoNotBlockTheLane(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, b := r.agent(), r.agent()
		holder := b.job()
		holder.Key = "k"
		r.add(holder)
		ref := b.ask().Jobs[0].JobRef
		keyed := make([]*cloud.Job, laneWindow+50)
		for i := range keyed {
			keyed[i] = a.job()
			keyed[i].Key = "k"
		}
		r.add(keyed...)
		last := a.job()
		r.add(last)
		a.room = 2
		if got := a.ask().Jobs; len(got) != 1 || got[0].ID != last.ID {
			t.Fatalf("got %v, want the job behind those that wait for a key", got)
		}
		// Those that are canceled while they wait leave nothing behind.
		r.update(func(tx *store.Tx) error {
			for _, j := range keyed[:len(keyed)-1] {
				if err := r.Cancel(tx, j.ID, "test"); err != nil {
					return err
				}
			}
			return nil
		})
		w := a.say(ok(wire.JobRef{ID: last.ID, Token: 1}))
		b.say(ok(ref))
		if got := a.take(w).Jobs; len(got) != 1 || got[0].ID != keyed[len(keyed)-1].ID {
			t.Fatalf("got %v, want the one that is left", got)
		}
		a.say(ok(wire.JobRef{ID: keyed[len(keyed)-1].ID, Token: 1}))
		until(t, "nothing is left in memory", func() bool {
			r.Queue.mu.Lock()
			defer r.Queue.mu.Unlock()
			for _, l := range r.lanes {
				if l.n+len(l.lines)+len(l.ids)+l.nBlocked+len(l.blocked) > 0 {
					return false
				}
			}
			return len(r.keys) == 0
		})
	})
}

// A key that becomes free while a job of it is being refused must not be missed.
func TestFreedKeyIsNotMissed(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, b := r.agent(), r.agent()
		for i := range 40 {
			key := fmt.Sprint(i)
			first, second := a.job(), b.job()
			first.Key, second.Key = key, key
			r.add(first)
			held := a.ask().Jobs
			wb := b.say()
			go func() { _ = r.db.Update(context.Background(), func(tx *store.Tx) error { return r.Add(tx, second) }) }()
			a.say(oks(held)...)
			got := b.take(wb).Jobs
			if len(got) != 1 || got[0].ID != second.ID {
				t.Fatalf("got %v", got)
			}
			b.say(oks(got)...)
		}
	})
}

func TestSupersede(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		keyed := func() *cloud.Job {
			j := a.job()
			j.Key, j.Supersede = "k", true
			return j
		}
		running, older, inBatch, newest := keyed(), keyed(), keyed(), keyed()
		r.add(running)
		held := a.ask().Jobs
		w := a.say()
		r.add(older)
		r.add(inBatch, a.job(), newest)
		r.want(running, cloud.JobRunning)
		r.want(older, cloud.JobCanceled)
		if j := r.want(inBatch, cloud.JobCanceled); j.Error == "" {
			t.Error("a superseded job does not say why it was canceled")
		}
		a.take(w)
		w = a.say(oks(held)...)
		if got := a.take(w).Jobs; len(got) != 1 || got[0].ID != newest.ID {
			t.Fatalf("got %v, want the newest", got)
		}
	})
}

func TestRolesGoToFreePlaces(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		busy, idle, small, other := r.agent(cloud.RoleRunner), r.agent(cloud.RoleRunner), r.agent(cloud.RoleRunner), r.agent(cloud.RoleCompute)
		far := r.agent(cloud.RoleRunner)
		far.peer.Location = elsewhere
		busy.free, idle.free, small.free = map[string]int{"default": 0, "*": 9}, map[string]int{"default": 5}, map[string]int{"default": 3}
		w := map[*agent]*waiter{}
		for _, a := range []*agent{busy, idle, small, other, far} {
			w[a] = a.say()
		}
		here1 := roleJob(cloud.RoleRunner)
		here1.TargetLocation = here
		r.add(here1)
		if got := idle.take(w[idle]).Jobs; len(got) != 1 || got[0].ID != here1.ID {
			t.Fatalf("got %v; want the node with the most free places to have the job", got)
		}
		for a, name := range map[*agent]string{busy: "full", small: "fuller", other: "without the role", far: "far"} {
			if !w[a].held() {
				t.Errorf("the %s node was answered: %v", name, w[a].got)
			}
		}
		// Many at once: each place is used, and no more.
		idle.free["default"] = 4
		w[idle] = idle.say()
		many := make([]*cloud.Job, 12)
		for i := range many {
			many[i] = roleJob(cloud.RoleRunner)
			many[i].TargetLocation = here
		}
		r.add(many...)
		n := 0
		until(t, "all free places have jobs", func() bool {
			for _, a := range []*agent{idle, small} {
				if w[a].held() {
					continue
				}
				got := a.take(w[a]).Jobs
				n += len(got)
				a.free["default"] -= len(got)
				w[a] = a.say()
			}
			return n >= 7
		})
		if n != 7 || idle.free["default"] != 0 || small.free["default"] != 0 || !w[busy].held() || !w[far].held() {
			t.Errorf("%d jobs for 7 places; left %v and %v", n, idle.free, small.free)
		}
	})
}

func TestRolesOfANodeChange(t *testing.T) {
	db := storetest.SQLite(t)
	r := newRig(t, db)
	a := r.agent(cloud.RoleRunner)
	r.add(roleJob(cloud.RoleStorage), roleJob(cloud.RoleRunner))
	if got := a.ask().Jobs; len(got) != 1 {
		t.Fatalf("got %v, want the runner's job", got)
	}
	a.peer.Roles = []cloud.Role{cloud.RoleStorage}
	w := a.say()
	if w.held() {
		j := roleJob(cloud.RoleStorage)
		r.add(j)
	}
	if got := a.take(w).Jobs; len(got) == 0 {
		t.Fatal("the job of the new role did not come")
	}
	w = a.say()
	r.add(roleJob(cloud.RoleRunner))
	if !w.held() {
		t.Errorf("answer = %v for a role that the node has no more", w.got)
	}
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		cancel := func(j *cloud.Job) error {
			return r.db.Update(t.Context(), func(tx *store.Tx) error { return r.Cancel(tx, j.ID, "test") })
		}
		queued, leased := a.job(), a.job()
		r.add(queued)
		if err := cancel(queued); err != nil || r.want(queued, cloud.JobCanceled).Error != "test" {
			t.Fatalf("cancel = %v", err)
		}
		if err := cancel(queued); !cloud.Is(err, cloud.Conflict) {
			t.Errorf("cancel of an ended job = %v, want a conflict", err)
		}
		if err := cancel(a.job()); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("cancel of no job = %v, want not found", err)
		}
		r.add(leased)
		got := a.ask()
		if len(got.Jobs) != 1 {
			t.Fatalf("got %v, want the job that was not canceled", got.Jobs)
		}
		w := a.say()
		if err := cancel(leased); err != nil {
			t.Fatal(err)
		}
		if got := a.take(w); len(got.Cancel) != 1 || got.Cancel[0] != (wire.JobRef{ID: leased.ID, Token: 1}) {
			t.Fatalf("answer = %+v, want the cancel", got)
		}
		if !r.want(leased, cloud.JobRunning).CancelAsked {
			t.Error("the job does not say that its end was asked for")
		}
		a.say(wire.Result{JobRef: wire.JobRef{ID: leased.ID, Token: 1}, State: cloud.JobCanceled})
		r.want(leased, cloud.JobCanceled)
	})
}

func TestWait(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		j := a.job()
		r.add(j)
		short, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := r.Wait(short, j.ID); err != nil || got.State != cloud.JobQueued {
			t.Fatalf("wait of a caller that gave up = %v, %v", got, err)
		}
		if _, err := r.Wait(t.Context(), a.job().ID); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("wait for no job = %v, want not found", err)
		}
		ended := make(chan *cloud.Job)
		go func() {
			got, _ := r.Wait(t.Context(), j.ID)
			ended <- got
		}()
		a.say(oks(a.ask().Jobs)...)
		if got := <-ended; got.State != cloud.JobSucceeded {
			t.Errorf("job = %s", got.State)
		}
		if len(r.waiters.list) != 0 {
			t.Errorf("waiters = %v after the wait", r.waiters.list)
		}
	})
}

func TestBatchIsAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		w := a.say()
		good, bad := a.job(), a.job()
		bad.Priority = 5000
		if err := r.db.Update(t.Context(), func(tx *store.Tx) error { return r.Add(tx, good, bad) }); cloud.KindOf(err) != cloud.Invalid {
			t.Fatalf("add = %v, want invalid", err)
		}
		twin := *good
		if err := r.db.Update(t.Context(), func(tx *store.Tx) error { return r.Add(tx, good, &twin) }); !cloud.Is(err, cloud.Conflict) {
			t.Fatalf("add of two jobs with one id = %v, want a conflict", err)
		}
		err := r.db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Job(good.ID); return err })
		if !cloud.Is(err, cloud.NotFound) || !w.held() {
			t.Errorf("half a batch is there: %v, answer %v", err, w.got)
		}
	})
}

func TestHoldEnds(t *testing.T) {
	r := newRig(t, storetest.SQLite(t))
	a := r.agent()
	w := a.say()
	r.answerOld(time.Now().Add(r.Hold - time.Second))
	if !w.held() {
		t.Fatal("answered before the hold was over")
	}
	r.answerOld(time.Now().Add(r.Hold))
	if got := a.take(w); got.Number != 1 || got.Jobs != nil {
		t.Errorf("answer = %+v, want an empty one", got)
	}
	w = a.say()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if w.answer() != nil || a.say().answer() != nil {
		t.Error("exchanges with a controller that stops were answered, not dropped")
	}
}
