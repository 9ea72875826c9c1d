package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// restartAgent is the agent after a restart that knows only some of its jobs.
func (a *agent) restartAgent(knows ...wire.JobRef) {
	a.session, a.number, a.answer = string(cloud.NewID[cloud.SessionID]()), 0, 0
	a.running = map[wire.JobRef]bool{}
	for _, ref := range knows {
		a.running[ref] = true
	}
}

func TestAgentStartsAnew(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent(cloud.RoleRunner)
		a.free["default"] = 10
		lost, known, again, queued := a.job(), a.job(), a.job(), a.job()
		again.Idempotent, again.MaxAttempts = true, 2
		r.add(lost, known, again)
		got := a.ask().Jobs
		a.say() // acknowledges
		unacked, unackedKnown := a.job(), a.job()
		r.add(unacked, unackedKnown)
		second := a.say().answer().Jobs // the agent dies with it
		for _, j := range []*cloud.Job{lost, known, again} {
			r.want(j, cloud.JobRunning)
		}
		r.add(queued)
		a.restartAgent(got[1].JobRef, second[1].JobRef)
		w := a.say()
		r.want(lost, cloud.JobLost)
		r.want(known, cloud.JobRunning)
		r.want(unackedKnown, cloud.JobRunning)
		jobs := map[cloud.JobID]int64{}
		for {
			for _, j := range a.take(w).Jobs {
				jobs[j.ID] = j.Token
			}
			if w = a.say(); w.held() && len(jobs) >= 3 {
				break
			}
		}
		if len(jobs) != 3 || jobs[unacked.ID] != 1 || jobs[again.ID] != 2 || jobs[queued.ID] != 1 {
			t.Errorf("jobs after the restart = %v; want %s with token 1, %s with token 2, %s", jobs, unacked.ID, again.ID, queued.ID)
		}
		a.say(ok(wire.JobRef{ID: again.ID, Token: 1})) // of the first run
		r.want(again, cloud.JobRunning)
		a.say(ok(wire.JobRef{ID: again.ID, Token: 2}))
		if j := r.want(again, cloud.JobSucceeded); j.Attempt != 2 {
			t.Errorf("attempt = %d", j.Attempt)
		}
	})
}

func TestControllerStartsAnew(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		running, unacked, queued := a.job(), a.job(), a.job()
		r.add(running)
		a.ask()
		a.say()
		r.add(unacked)
		a.say().answer() // lost with the controller
		r.add(queued)
		r.restart()
		got := map[cloud.JobID]int64{}
		for len(got) < 2 {
			ans := a.ask()
			for _, j := range ans.Jobs {
				got[j.ID] = j.Token
			}
		}
		if got[unacked.ID] != 1 || got[queued.ID] != 1 || a.answer < 2 {
			t.Errorf("jobs = %v in answer %d", got, a.answer)
		}
		a.say()
		for _, j := range []*cloud.Job{running, unacked, queued} {
			if j := r.want(j, cloud.JobRunning); j.Attempt != 1 {
				t.Errorf("attempt = %d", j.Attempt)
			}
		}
	})
}

func TestSilentNodes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, b := r.agent(cloud.RoleRunner), r.agent(cloud.RoleRunner)
		a.free["*"], b.free["*"] = 1000, 0
		role, canceled, bound, old := roleJob(cloud.RoleRunner), roleJob(cloud.RoleRunner), a.job(), a.job()
		for _, j := range []*cloud.Job{role, canceled, old} {
			j.Idempotent, j.MaxAttempts = true, 2
		}
		bound.Key = "k"
		r.add(role, canceled, bound, old)
		// Many that must wait for their node do not hide those that need not.
		many := make([]*cloud.Job, 250)
		for i := range many {
			many[i] = a.job()
		}
		r.add(many...)
		n := 0
		for n < len(many)+4 {
			n += len(a.ask().Jobs)
		}
		a.say()
		r.update(func(tx *store.Tx) error { return r.Cancel(tx, canceled.ID, "test") })
		b.free["*"] = 1
		w := b.say()
		r.ear = Ear{at: cloud.Now().Add(-time.Hour), began: time.Now().Add(-time.Hour), last: time.Now()}
		if err := r.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.want(role, cloud.JobRunning); !w.held() {
			t.Fatal("a job was taken from a node that was just heard")
		}
		silent := func(seconds int64) {
			storetest.Exec(t, r.db, fmt.Sprintf("UPDATE nodes SET last_seen_at = last_seen_at - %d WHERE id = '%s'", seconds*1e6, a.peer.Node))
			storetest.Exec(t, r.db, fmt.Sprintf("UPDATE jobs SET leased_at = leased_at - %d WHERE node_id = '%s'", seconds*1e6, a.peer.Node))
		}
		storetest.Exec(t, r.db, fmt.Sprintf("UPDATE jobs SET timeout_ms = 10000000 WHERE id > '%s' AND id <= '%s'", old.ID, many[len(many)-1].ID))
		silent(150)
		if err := r.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.take(w).Jobs; len(got) != 1 || got[0].ID != role.ID || got[0].Token != 2 {
			t.Fatalf("got %v; want the job that any node may run, with a new token", got)
		}
		r.want(bound, cloud.JobRunning)
		silent(900)
		if err := r.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.want(bound, cloud.JobLost)
		r.want(canceled, cloud.JobCanceled)
		r.want(old, cloud.JobQueued)
		r.want(many[0], cloud.JobRunning)
		a.say(ok(wire.JobRef{ID: role.ID, Token: 1}), ok(wire.JobRef{ID: bound.ID, Token: 1}))
		r.want(role, cloud.JobLeased)
		r.want(bound, cloud.JobLost)
	})
}

// A job that was given up while its answer was lost must not start any more.
func TestGivenUpJobIsNotSentAgain(t *testing.T) {
	r := newRig(t, storetest.SQLite(t))
	a := r.agent()
	j := a.job()
	r.add(j)
	a.say().answer() // lost
	r.update(func(tx *store.Tx) error { return r.lose(tx, r.storedIn(tx, j), "test") })
	if w := a.say(); !w.held() {
		t.Errorf("answer = %+v", w.got)
	}
	r.want(j, cloud.JobLost)
}

func (r *rig) storedIn(tx *store.Tx, j *cloud.Job) *cloud.Job {
	got, err := tx.Job(j.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

func TestDeletedNode(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, b := r.agent(cloud.RoleRunner), r.agent(cloud.RoleRunner)
		b.free["*"] = 0
		held, role := a.job(), roleJob(cloud.RoleRunner)
		role.Idempotent, role.MaxAttempts = true, 3
		r.add(held, role)
		a.ask()
		w := a.say()
		a.takes(0)
		w2 := a.say()
		w.answer()
		queued := a.job()
		r.add(queued)
		r.update(func(tx *store.Tx) error { return r.Abandon(tx, a.peer.Node) })
		if w2.answer() != nil {
			t.Error("the exchange of a deleted node was answered, not dropped")
		}
		r.want(held, cloud.JobLost)
		r.want(queued, cloud.JobCanceled)
		r.want(role, cloud.JobQueued)
		b.free["*"] = 1
		if got := b.ask().Jobs; len(got) != 1 || got[0].ID != role.ID {
			t.Errorf("got %v, want the job that another node may run", got)
		}
	})
}

func TestOlderExchangeDoesNotReplaceNewer(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		j := a.job()
		r.add(j)
		first := a.ask().Jobs
		older := a.next(oks(first)...)
		newer := a.say()
		w := a.send(older) // on another connection, late
		if w.answer() != nil || !newer.held() {
			t.Fatal("an exchange that came late replaced a newer one")
		}
		r.want(j, cloud.JobSucceeded)
		next := a.job()
		r.add(next)
		if got := a.take(newer); len(got.Jobs) != 1 || got.Jobs[0].ID != next.ID {
			t.Errorf("answer = %+v", got)
		}
	})
}

// A first exchange that comes twice at once, on two connections, leaves no
// exchange without an end.
func TestFirstExchangesAtOnce(t *testing.T) {
	r := newRig(t, storetest.SQLite(t))
	for i := range 50 {
		a := r.agent()
		x := []*wire.Exchange{a.next(), a.next()}
		if i%2 == 0 { // of two programs
			x[0].Session = "other"
		}
		ws := make([]*waiter, 2)
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i := range 2 {
			ws[i] = &waiter{t: t, done: make(chan struct{})}
			wg.Go(func() { errs[i] = r.Exchange(t.Context(), a.peer, x[i], ws[i]) })
		}
		wg.Wait()
		r.add(a.job())
		answered, parked := 0, 0
		for i, w := range ws {
			if errs[i] != nil {
				continue
			}
			select {
			case <-w.done:
				if w.got != nil {
					answered++
				}
			case <-time.After(50 * time.Millisecond):
				parked++
			}
		}
		r.answerOld(time.Now().Add(time.Hour))
		for i, w := range ws {
			if errs[i] == nil {
				w.answer()
			}
		}
		if answered+parked == 0 || answered > 1 {
			t.Fatalf("answered %d, held %d, errors %v", answered, parked, errs)
		}
	}
}

func TestFailedTransactionLosesNothing(t *testing.T) {
	db := storetest.SQLite(t)
	r := newRig(t, db)
	broken := errors.New("broken")
	var fail error
	var mu sync.Mutex
	set := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		fail = err
	}
	script := func(*store.Tx, cloud.ScriptID) (*wire.Script, error) {
		mu.Lock()
		defer mu.Unlock()
		return &wire.Script{}, fail
	}
	finished := r.hooks.Finished
	r.hooks.Script = script
	r.hooks.Finished = func(tx *store.Tx, jobs []cloud.Job) error {
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(fail, finished(tx, jobs))
	}
	r.restart()
	a := r.agent()
	scripted := func() *cloud.Job {
		j := a.job()
		j.Action, j.ScriptID, j.Key = cloud.ActionScript, "s", "k"
		return j
	}
	a.room = 3
	w := a.say()
	set(broken)
	one, two, plain := scripted(), scripted(), a.job()
	r.add(one, two)
	until(t, "a hand-over has failed", func() bool {
		r.Queue.mu.Lock()
		defer r.Queue.mu.Unlock()
		return r.sessions[a.peer.Node].retry
	})
	r.want(one, cloud.JobQueued)
	set(nil)
	r.answerOld(time.Now()) // the next tick
	got := a.take(w).Jobs
	if len(got) != 1 || got[0].ID != one.ID {
		t.Fatalf("got %v after the store came back", got)
	}
	// The agent's own exchange fails: what it says counts when it says it again.
	r.add(plain)
	a.say().answer() // lost
	set(broken)
	x := a.next(oks(got)...)
	if err := r.Exchange(t.Context(), a.peer, x, &waiter{t: t, done: make(chan struct{})}); !errors.Is(err, broken) {
		t.Fatalf("exchange = %v", err)
	}
	r.want(one, cloud.JobRunning)
	set(nil)
	ids := map[cloud.JobID]bool{}
	ans := a.take(a.say(oks(got)...))
	for len(ids) < 2 {
		for _, j := range ans.Jobs {
			ids[j.ID] = true
		}
		if len(ids) < 2 {
			ans = a.ask()
		}
	}
	if r.want(one, cloud.JobSucceeded); !ids[plain.ID] || !ids[two.ID] {
		t.Errorf("jobs = %v", ids)
	}
}

func TestJobWithoutItsScriptFails(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		j, next := a.job(), a.job()
		j.Action, j.ScriptID = cloud.ActionScript, "gone"
		r.add(j, next)
		if got := a.ask().Jobs; len(got) != 1 || got[0].ID != next.ID {
			t.Errorf("got %v, want the other job", got)
		}
		if got := r.want(j, cloud.JobFailed); got.Error == "" {
			t.Error("the job does not say why")
		}
	})
}

func TestLanesOfGoneNodesAreForgotten(t *testing.T) {
	r := newRig(t, storetest.SQLite(t))
	a := r.agent(cloud.RoleRunner)
	a.room, a.free = 0, nil
	a.say()
	for i := range 5 {
		j, k := a.job(), roleJob(cloud.RoleRunner)
		j.Queue, k.Queue = fmt.Sprint("q", i), fmt.Sprint("q", i)
		j.Key = "k"
		r.add(j, k)
	}
	if len(r.lanes) != 10 {
		t.Fatalf("%d lanes, want 10", len(r.lanes))
	}
	r.answerOld(time.Now().Add(time.Hour))
	r.sweep(cloud.Now().Add(-time.Hour))
	if len(r.lanes) != 10 || len(r.sessions) != 1 {
		t.Fatalf("%d lanes of %d nodes after a sweep of gone ones", len(r.lanes), len(r.sessions))
	}
	r.sweep(cloud.Now().Add(time.Second))
	if len(r.lanes) != 0 || len(r.sessions) != 0 || len(r.keys) != 0 {
		t.Fatalf("%d lanes, %d sessions, %d keys are left", len(r.lanes), len(r.sessions), len(r.keys))
	}
	a.room, a.free = 100, map[string]int{"*": 9}
	n := 0
	var last []wire.Job
	for n < 6 { // one of the five with the key
		last = a.ask().Jobs
		n += len(last)
	}
	// Lanes that are not used any more are forgotten too, and come back.
	for n < 10 {
		var results []wire.Result
		for ref := range a.running {
			results = append(results, ok(ref))
		}
		n += len(a.take(a.say(results...)).Jobs)
	}
	w := a.say()
	for range 3 {
		r.sweep(0)
	}
	if len(r.lanes) != 0 || len(r.sessions) != 1 {
		t.Fatalf("%d lanes and %d sessions; want the session alone", len(r.lanes), len(r.sessions))
	}
	r.add(a.job())
	if got := a.take(w).Jobs; len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestReloadFindsWhatOthersCommitted(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent(cloud.RoleRunner)
		w := a.say()
		other := NewQueue(r.db, cloud.NewID[cloud.ControllerID](), r.log, r.hooks)
		j := a.job()
		r.update(func(tx *store.Tx) error { return other.Add(tx, j) })
		if !w.held() {
			t.Fatal("the queue knows what it cannot know")
		}
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := a.take(w).Jobs; len(got) != 1 || got[0].ID != j.ID {
			t.Errorf("got %v", got)
		}
	})
}

// Two controllers lease jobs of one key at the same time.
func TestTwoControllersAndOneKey(t *testing.T) {
	db := storetest.Postgres(t)
	r := newRig(t, db)
	other := &rig{t: t, db: db, hooks: r.hooks}
	other.restart()
	for i := range 20 {
		a, b := r.agent(), other.agent()
		key := fmt.Sprint(i)
		one, two := a.job(), b.job()
		one.Key, two.Key = key, key
		r.update(func(tx *store.Tx) error { return tx.InsertJobs(normal(one, two)) })
		var wg sync.WaitGroup
		ws := []*waiter{{t: t, done: make(chan struct{})}, {t: t, done: make(chan struct{})}}
		for i, ag := range []*agent{a, b} {
			wg.Go(func() {
				if err := ag.r.Exchange(context.Background(), ag.peer, ag.next(), ws[i]); err != nil {
					t.Errorf("exchange: %v", err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		if ws[0].held() == ws[1].held() {
			t.Fatalf("answers = %v and %v; want one job", ws[0].got, ws[1].got)
		}
	}
}

func normal(jobs ...*cloud.Job) []*cloud.Job {
	for _, j := range jobs {
		j.Normalise()
	}
	return jobs
}

// What is too long for one answer comes in several, each job once, also when one
// of them is lost.
func TestLongAnswersAreParted(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := r.agent()
		args, err := json.Marshal(strings.Repeat("x", cloud.MaxJobArgs-2))
		if err != nil {
			t.Fatal(err)
		}
		jobs := make([]*cloud.Job, 300)
		for i := range jobs {
			jobs[i] = a.job()
			jobs[i].Args = args
		}
		r.add(jobs...)
		a.say().answer() // it never reaches the agent
		var got []cloud.JobID
		for len(got) < len(jobs) {
			answer := a.ask()
			if b, err := json.Marshal(answer); err != nil || len(b) > wire.MaxExchangeBody {
				t.Fatalf("an answer has %d bytes, %v; want at most %d", len(b), err, wire.MaxExchangeBody)
			}
			got = append(got, refs(answer.Jobs)...)
		}
		want := make([]cloud.JobID, len(jobs))
		for i := range jobs {
			want[i] = jobs[i].ID
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d jobs came, want each of %d once", len(got), len(want))
		}
		w := a.say()
		if !w.held() {
			t.Errorf("there is more to say: %+v", w.got)
		}
		r.want(jobs[len(jobs)-1], cloud.JobRunning)
	})
}

// An exchange that a newer one overtook may be the one by which its node came
// back: what is asked of the agent then must not go with it.
func TestResendIsAskedAfterALateExchange(t *testing.T) {
	r := newRig(t, storetest.SQLite(t))
	a := r.agent()
	late := a.next()
	held := a.say()
	a.peer.Resend = true
	a.send(late).answer() // dropped
	if got := a.take(held); !got.Resend {
		t.Errorf("answer = %+v, want it to ask for facts and inventory", got)
	}
}
