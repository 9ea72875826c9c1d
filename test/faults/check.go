package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"atoll/api"
	"atoll/client"
)

// patience is how long anything may take once all faults are gone.
const patience = 30 * time.Second

// all reads all objects of a kind.
func all[T any](k client.Reader[T], filter ...string) ([]T, error) {
	var list []T
	for v, err := range k.All(context.Background(), client.ListOptions{Limit: 1000, Filter: filter}) {
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

// settled finds out whether anything is still on its way.
func (w *world) settled() error {
	if err := w.allOnline(); err != nil {
		return err
	}
	if err := w.jobsEnded(); err != nil {
		return err
	}
	c := w.direct(0)
	for _, state := range []string{"running", "undoing"} {
		ops, err := all(c.Operations().Reader, "state="+state)
		if err != nil {
			return err
		}
		if len(ops) > 0 {
			return fmt.Errorf("%d operations are %s, such as %s of %s at %q: %s", len(ops), state, ops[0].Kind, ops[0].SubjectName, ops[0].StepName, ops[0].Message)
		}
	}
	left, err := all(c.Leftovers().Reader)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%d leftovers, such as %s %s: %s", len(left), left[0].Kind, left[0].ObjectID, left[0].Reason)
	}
	machines, err := all(c.Machines().Reader)
	if err != nil {
		return err
	}
	for _, m := range machines {
		if m.State == "running" && m.ObservedPower != "on" || m.State == "stopped" && m.ObservedPower == "on" {
			return fmt.Errorf("machine %s is %s and its power %s", m.Name, m.State, m.ObservedPower)
		}
	}
	return nil
}

func (w *world) jobsEnded() error {
	for _, state := range []string{"queued", "leased", "running"} {
		jobs, err := all(w.direct(0).Jobs().Reader, "state="+state)
		if err != nil {
			return err
		}
		if len(jobs) > 0 {
			return fmt.Errorf("%d jobs are %s, such as %s %s on node %s for operation %q since %s", len(jobs), state,
				jobs[0].Action, jobs[0].ID, jobs[0].TargetNodeID+jobs[0].NodeID, jobs[0].OperationID, jobs[0].LeasedAt)
		}
	}
	return nil
}

// checkJobs compares the jobs with what was promised, and with what their
// commands wrote.
func (l *load) checkJobs() {
	list, err := all(l.direct(0).Jobs().Reader)
	if err != nil {
		l.bad("list the jobs: %v", err)
		return
	}
	l.checkList(list)
}

func (l *load) checkList(list []api.Job) {
	starts, err := l.readStarts(list)
	if err != nil {
		l.bad("read what the commands wrote: %v", err)
	}
	states := map[string]int{}
	tags := map[string]string{}
	for i := range list {
		j := &list[i]
		delete(l.jobs, j.ID)
		states[j.Action+" "+j.State]++
		l.checkJob(j, starts[j.ID])
		delete(starts, j.ID)
		if tag := tagOf(j); tag != "" && j.OperationID == "" {
			if tags[tag] != "" {
				l.bad("one call made two jobs: %s and %s", tags[tag], j.ID)
			}
			tags[tag] = j.ID
		}
	}
	for id := range l.jobs {
		l.bad("job %s was acknowledged and is not there", id)
	}
	for id := range starts {
		l.bad("a command ran for job %s, which is not there", id)
	}
	l.note("jobs: %v", states)
}

// tagOf is the last argument of a command.
func tagOf(j *api.Job) string {
	_, tag, _ := strings.Cut(string(j.Args), `"tag-`)
	return strings.Trim(tag, `"]} `)
}

// checkJob checks the end of one job, whose command was started so many times.
func (l *load) checkJob(j *api.Job, starts int) {
	what := fmt.Sprintf("job %s (%s, %s on %s, attempt %d of %d: %s)", j.ID, j.Action, j.State, j.NodeID, j.Attempt, j.Attempts, j.Error)
	command := j.Action == "command" && !j.Simulated
	switch {
	case !client.Final(j.State) || j.FinishedAt.IsZero():
		l.bad("%s has not ended", what)
	case command && !j.Idempotent && starts > 1:
		l.bad("%s was started %d times", what, starts)
	case command && j.State == "succeeded" && starts == 0:
		l.bad("%s was never started", what)
	case j.State == "lost" && !l.mayBeLost(j):
		l.bad("%s, and its agent was not killed while it held the job", what)
	case j.Idempotent && j.State == "lost" && j.Attempt < j.Attempts && !j.CancelAsked:
		l.bad("%s could have run again", what)
	case j.Action == "noop" && j.State == "failed", j.State == "timed_out":
		l.bad("%s for no reason", what)
	case command && j.State == "failed" && !l.mayFail(j):
		l.bad("%s for no reason", what)
	}
}

// mayBeLost reports whether the agent that held the job was killed in that time, or
// ever if the times of jobs are by a clock that was wrong.
func (l *load) mayBeLost(j *api.Job) bool {
	n, err := l.direct(0).Nodes().Get(context.Background(), j.NodeID)
	if err != nil {
		l.bad("node of job %s: %v", j.ID, err)
		return false
	}
	for _, p := range append(slices.Clone(l.agents), l.hosts) {
		if strings.HasPrefix(n.Name, p.name) {
			held := span{j.LeasedAt, j.FinishedAt}
			if l.clocks && !l.postgres {
				held = span{l.begin, time.Now()}
			}
			return p.diedIn(held)
		}
	}
	return false
}

// mayFail reports whether a command may have failed without having started: its
// node had no room to note that it starts.
func (l *load) mayFail(j *api.Job) bool {
	return strings.HasPrefix(l.smallDisk, "agent") && strings.Contains(j.Error, "was not started")
}

// readStarts returns how often the command of each job was started, and checks
// that those of one key ran one at a time.
func (l *load) readStarts(jobs []api.Job) (map[string]int, error) {
	keys := map[string]string{}
	for i := range jobs {
		keys[jobs[i].ID] = jobs[i].Key
	}
	starts, running := map[string]int{}, map[string]string{}
	f, err := os.Open(l.starts())
	if errors.Is(err, os.ErrNotExist) {
		return starts, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	ended := map[string]bool{}
	lines := bufio.NewScanner(f)
	var order []string
	for lines.Scan() {
		what, id, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			return nil, fmt.Errorf("the line %q", lines.Text())
		}
		if what == "E" {
			ended[id] = true
		} else {
			starts[id]++
		}
		order = append(order, lines.Text())
	}
	for _, line := range order { // one that never ended was killed
		what, id, _ := strings.Cut(line, " ")
		key := keys[id]
		switch {
		case key == "":
		case what == "E":
			delete(running, key)
		default:
			if other := running[key]; other != "" && ended[other] {
				l.bad("jobs %s and %s of key %s ran at the same time", other, id, key)
			}
			running[key] = id
		}
	}
	return starts, lines.Err()
}
