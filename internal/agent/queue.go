package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// How many more jobs bound to this node are asked for: many where all are done at
// once, as a job that need not wait in the store is written once less; else until
// so many wait in its own queues, and not fewer than roomStep, as each answer costs
// an exchange and each exchange names those that wait.
const (
	maxBacklog = 16384
	maxWaiting = 128
	roomStep   = 32
)

// jobState is all that the agent knows of jobs. Agent.mu guards it. Its maps are
// nil until something is in them.
type jobState struct {
	held    map[wire.JobRef]*task // waiting or running
	queues  map[string]*queue     // those with a job, or with places of their own
	waiting int
	results map[wire.JobRef]*kept // ended, and not forgotten
	pending []*kept               // results to send, in order
}

// queue is one local queue: first in, first out.
type queue struct {
	name    string
	running int
	waiting []*task
	short   bool // the last job took less than shortJob
}

// task is a job that the agent holds.
type task struct {
	job    wire.Job
	action action
	cancel context.CancelCauseFunc // nil while it waits
	record int64                   // of its start in the journal; 0 while there is none
	noted  error                   // why there is none
	batch  *batch
}

// batch is the jobs of one answer that were not done at once; done is closed
// when the last of them has ended.
type batch struct {
	left int
	done chan struct{}
}

// kept is a result until the controller says to forget it.
type kept struct {
	wire.Result
	state   delivery
	chunks  bool // output of the job went to the spool
	journal bool // the journal knows the job
}

type delivery uint8

const (
	toSend    delivery = iota // in pending
	underWay                  // in an exchange without an answer yet
	delivered                 // taken by the controller
)

// done adds a result of a job that the journal knows.
func (s *jobState) done(r *wire.Result) { s.add(&kept{Result: *r, chunks: true, journal: true}) }

func (s *jobState) add(k *kept) {
	if s.results == nil {
		s.results = map[wire.JobRef]*kept{}
	}
	s.results[k.JobRef] = k
	s.pending = append(s.pending, k)
}

// resend has all delivered results sent once more: the controller that took
// them may not have been able to say so.
func (s *jobState) resend() {
	for _, k := range s.results {
		if k.state == delivered {
			k.state = toSend
			s.pending = append(s.pending, k)
		}
	}
}

// places returns how many jobs of the queue run at a time.
func (a *Agent) places(name string) int {
	if n, ok := a.cfg.Queues[name]; ok {
		return n
	}
	return a.cfg.Queues[anyQueue]
}

// room returns how many more jobs bound to this node it takes. The caller holds mu.
func (a *Agent) room() int {
	if a.jobs.waiting == 0 {
		return maxBacklog
	}
	if n := maxWaiting - a.jobs.waiting; n >= roomStep {
		return n
	}
	return 0
}

// free returns the free places of each queue. The caller holds mu.
func (a *Agent) free() map[string]int {
	free := make(map[string]int, len(a.cfg.Queues))
	for name, n := range a.cfg.Queues {
		free[name] = n
	}
	for name, q := range a.jobs.queues {
		free[name] = max(0, a.places(name)-q.running-len(q.waiting))
	}
	return free
}

// accept takes the jobs of an answer. Those that are done at once are done when
// it returns; of the others it returns the batch, nil if there are none. The
// caller holds mu, which is given up in between.
func (a *Agent) accept(jobs []wire.Job) *batch {
	b := &batch{done: make(chan struct{})}
	var now []*task
	for i := range jobs {
		if t := a.admit(&jobs[i]); t == nil {
			continue
		} else if q := a.queue(t.job.Queue); t.action.quick && q.running+len(q.waiting) < a.places(q.name) {
			now = append(now, t)
		} else {
			t.batch = b
			b.left++
			a.jobs.waiting++
			q.waiting = append(q.waiting, t)
		}
	}
	if len(now) > 0 {
		a.mu.Unlock()
		ended := make([]*kept, len(now))
		for i, t := range now {
			ended[i] = a.run(t)
		}
		a.mu.Lock()
		for i, t := range now {
			delete(a.jobs.held, t.job.JobRef)
			a.jobs.add(ended[i])
		}
	}
	for _, q := range a.jobs.queues {
		a.startWorkers(q)
	}
	if b.left == 0 {
		return nil
	}
	return b
}

// admit returns the job as a task, or nil if the agent has or had it already or
// does not know its action. The caller holds mu.
func (a *Agent) admit(j *wire.Job) *task {
	if a.jobs.held[j.JobRef] != nil {
		return nil
	}
	if k := a.jobs.results[j.JobRef]; k != nil {
		if k.state == delivered {
			k.state = toSend
			a.jobs.pending = append(a.jobs.pending, k)
		}
		return nil
	}
	act, ok := a.actions[j.Action]
	if !ok {
		a.jobs.add(&kept{Result: wire.Result{
			JobRef: j.JobRef, State: cloud.JobFailed, FinishedAt: cloud.Now(),
			Error: fmt.Sprintf("the agent of this node (version %s) does not know the action %q; upgrade it", a.cfg.Version, j.Action),
		}})
		return nil
	}
	if j.Queue == "" {
		j.Queue = cloud.QueueDefault
	}
	t := &task{job: *j, action: act}
	if a.jobs.held == nil {
		a.jobs.held = map[wire.JobRef]*task{}
	}
	a.jobs.held[j.JobRef] = t
	return t
}

func (a *Agent) queue(name string) *queue {
	q := a.jobs.queues[name]
	if q == nil {
		q = &queue{name: name}
		if a.jobs.queues == nil {
			a.jobs.queues = map[string]*queue{}
		}
		a.jobs.queues[name] = q
	}
	return q
}

// startWorkers starts a worker for each free place that a job waits for, and
// drops a queue that has none. The caller holds mu.
func (a *Agent) startWorkers(q *queue) {
	if a.closed {
		return
	}
	for n := len(q.waiting); n > 0 && q.running < a.places(q.name); n-- {
		q.running++
		a.wg.Go(func() { a.worker(q) })
	}
	if q.running == 0 {
		delete(a.jobs.queues, q.name)
	}
}

// worker is one place of a queue: it runs job after job until none waits.
func (a *Agent) worker(q *queue) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(q.waiting) > 0 && !a.closed && a.work.Err() == nil {
		t := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		a.jobs.waiting--
		var ctx context.Context
		ctx, t.cancel = context.WithCancelCause(a.work)
		a.note(q, t)
		a.mu.Unlock()
		k := a.runIn(ctx, t)
		t.cancel(nil)
		a.mu.Lock()
		q.short = k.FinishedAt.Sub(k.StartedAt) < shortJob
		a.finish(t, k)
	}
	q.running--
	if q.running == 0 && len(q.waiting) == 0 && a.jobs.queues[q.name] == q {
		delete(a.jobs.queues, q.name)
	}
}

// Of jobs that take less than shortJob, the starts of so many that go next are
// recorded together: making a record safe may take the disk longer than the job.
// The price is that these are lost too when the agent is killed.
const (
	shortJob = 20 * time.Millisecond
	ahead    = 8
)

// note records in the journal that the task starts, and where jobs are short that
// the next ones do. A job starts when its record is safe, which those of the next
// ones are made meanwhile. The caller holds mu.
func (a *Agent) note(q *queue, t *task) {
	var next []*task
	if q.short && a.journal.path != "" {
		next = q.waiting[:min(ahead, len(q.waiting))]
	}
	safe := t.record != 0
	if safe && (len(next) < ahead || next[ahead/2].record != 0) {
		return
	}
	var n int64
	for _, t := range append([]*task{t}, next...) {
		if t.record == 0 && t.noted == nil {
			t.record, t.noted = a.journal.start(t.job.JobRef, cloud.Now())
			if !t.job.Idempotent {
				n = max(n, t.record)
			}
		}
	}
	if safe && n > 0 {
		a.wg.Go(func() { _ = a.journal.sync(n) }) // who needs the record sees the error
	}
}

// finish puts the result where exchanges find it. The caller holds mu.
func (a *Agent) finish(t *task, k *kept) {
	delete(a.jobs.held, t.job.JobRef)
	a.jobs.add(k)
	if b := t.batch; b != nil {
		if b.left--; b.left == 0 {
			close(b.done)
		}
	}
	within := time.Duration(0)
	if q := a.jobs.queues[t.job.Queue]; q != nil && len(q.waiting) > 0 {
		within = gather
	}
	a.say(within)
}

// cancel ends jobs as the controller asks. The caller holds mu.
func (a *Agent) cancel(refs []wire.JobRef) {
	for _, ref := range refs {
		t := a.jobs.held[ref]
		if t == nil {
			continue
		}
		if t.cancel != nil {
			t.cancel(errCanceled)
			continue
		}
		q := a.jobs.queues[t.job.Queue]
		for i := range q.waiting {
			if q.waiting[i] == t {
				q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
				a.jobs.waiting--
				a.finish(t, a.neverStarted(t))
				break
			}
		}
	}
}

// neverStarted is the result of a job that was canceled while it waited.
func (a *Agent) neverStarted(t *task) *kept {
	k := &kept{journal: t.record != 0, Result: wire.Result{
		JobRef: t.job.JobRef, State: cloud.JobCanceled, Error: "canceled before it started", FinishedAt: cloud.Now(),
	}}
	if k.journal {
		a.recordResult(k)
	}
	return k
}

// recordResult keeps a result in the journal.
func (a *Agent) recordResult(k *kept) {
	if err := a.journal.result(&k.Result); err != nil && !errors.Is(err, errJournalClosed) {
		a.log.Error("record the end of a job", "job", k.ID, "err", err)
	}
}

// forget drops results that the controller has stored or refused. The caller
// holds mu.
func (a *Agent) forget(refs []wire.JobRef) {
	var known []wire.JobRef
	for _, ref := range refs {
		k := a.jobs.results[ref]
		if k == nil {
			continue
		}
		delete(a.jobs.results, ref)
		if k.state == toSend {
			for i := range a.jobs.pending {
				if a.jobs.pending[i] == k {
					a.jobs.pending = append(a.jobs.pending[:i], a.jobs.pending[i+1:]...)
					break
				}
			}
		}
		if k.journal {
			known = append(known, ref)
		}
	}
	if err := a.journal.forget(known); err != nil && !errors.Is(err, errJournalClosed) {
		a.log.Error("forget results", "err", err)
	}
}

// safe waits until the record of the task's start is safe on the disk. A job that may
// be started again need not wait: the record outlives the agent, if not the host.
func (t *task) safe(j *journal) error {
	if t.noted != nil || t.job.Idempotent {
		return t.noted
	}
	return j.sync(t.record)
}

// run runs a quick job to its end, without a context of its own.
func (a *Agent) run(t *task) *kept { return a.runIn(a.work, t) }

// runIn runs a job to its end.
func (a *Agent) runIn(ctx context.Context, t *task) *kept {
	k := &kept{Result: wire.Result{JobRef: t.job.JobRef, StartedAt: cloud.Now(), Simulated: a.cfg.Node.Simulated}}
	j := &Job{Job: t.job, agent: a, result: &k.Result}
	if t.action.quick {
		value, err := t.action.run(ctx, j)
		a.conclude(ctx, k, value, err)
		return k
	}
	timeout := time.Duration(t.job.TimeoutMS) * time.Millisecond
	if timeout <= 0 {
		timeout = cloud.DefaultJobTimeout
	}
	ctx, stop := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer stop()
	if err := t.safe(a.journal); err != nil {
		a.conclude(ctx, k, nil, cloud.Errorf(cloud.Unavailable, "the job was not started, because the node cannot record that it does: %v", err))
		return k
	}
	k.journal = true
	value, err := t.action.run(ctx, j)
	if j.output != nil {
		problem := j.output.close(&k.Result)
		k.chunks = j.output.sequence > 0
		if err == nil && problem != "" {
			err = cloud.Errorf(cloud.Invalid, "%s", problem)
		}
	}
	a.conclude(ctx, k, value, err)
	a.recordResult(k)
	if t.action.changes {
		a.readInventory(a.work) // so that it goes along with the result
	}
	return k
}

// conclude sets how the job ended.
func (a *Agent) conclude(ctx context.Context, k *kept, value any, err error) {
	k.FinishedAt = cloud.Now()
	if err == nil && value != nil {
		k.Result.Result, err = json.Marshal(value)
		if n := len(k.Result.Result); n > cloud.MaxActionResult {
			k.Result.Result = nil
			err = cloud.Errorf(cloud.TooLarge, "the job was done, but its result has %d bytes; at most %d are allowed: write more to the output", n, cloud.MaxActionResult)
		}
	}
	if err == nil {
		k.State = cloud.JobSucceeded
		return
	}
	k.State, k.Error = cloud.JobFailed, errorText(err)
	if k.Result.Result == nil {
		k.Result.Result = failure(err)
	}
	if ctx.Err() == nil {
		return
	}
	cause := context.Cause(ctx)
	k.Error = cause.Error()
	switch {
	case errors.Is(cause, errTimeout):
		k.State = cloud.JobTimedOut
	case errors.Is(cause, errCanceled):
		k.State = cloud.JobCanceled
	default:
		k.State = cloud.JobLost
	}
}

// failure tells the controller the kind and field of an error.
func failure(err error) json.RawMessage {
	f := wire.Failure{Kind: cloud.KindOf(err)}
	var e *cloud.Error
	if errors.As(err, &e) {
		f.Field = e.Field
	}
	b, err := json.Marshal(f)
	if err != nil {
		return nil // strings always have a JSON form
	}
	return b
}

// errorText is what the controller gets to read of an error: the message of a
// cloud.Error, and all of another, which a driver did not foresee.
func errorText(err error) string {
	var e *cloud.Error
	if errors.As(err, &e) {
		return cloud.UserMessage(err)
	}
	return err.Error()
}

// Job is a job as its action sees it.
type Job struct {
	wire.Job
	agent  *Agent
	result *wire.Result
	output *output
}

// Output returns where the job writes its output. Ctx is the job's.
func (j *Job) Output(ctx context.Context) *output {
	if j.output == nil {
		a := j.agent
		j.output = newOutput(ctx, j.JobRef, a.spool, a.speak)
	}
	return j.output
}

// decode reads the arguments; fields that this version does not know are ignored.
func (j *Job) decode(to any) error {
	if len(j.Args) == 0 {
		return cloud.FieldErrorf("args", "are missing")
	}
	if err := json.Unmarshal(j.Args, to); err != nil {
		return cloud.FieldErrorf("args", "do not fit the action %s: %v", j.Action, err)
	}
	return nil
}

// ended takes over how a command ended; its error is that of the job.
func (j *Job) ended(e sal.Exit) error {
	j.result.ExitCode = int64(e.Code)
	j.result.Simulated = j.result.Simulated || e.Simulated
	detail := ""
	if e.Detail != "" {
		detail = ": " + e.Detail
	}
	switch {
	case e.OOM:
		return cloud.Errorf(cloud.Capacity, "the command needed more memory than it may have%s", detail)
	case e.Killed:
		return cloud.Errorf(cloud.Timeout, "the command was ended%s", detail)
	case e.Code != 0:
		return cloud.Errorf(cloud.Invalid, "exit code %d%s", e.Code, detail)
	}
	return nil
}
