package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/schedule"
	"atoll/internal/store"
)

// The scheduler's rhythm and the size of one of its transactions.
const (
	scheduleTick  = 500 * time.Millisecond
	scheduleBatch = 20
	scheduleJobs  = 1000
)

// fireSchedules makes the jobs of schedules whose time has come until ctx ends.
// The controller that has the lease does it; the jobs and the schedule's next
// time are one transaction, so that each time fires once whoever dies.
func (c *Control) fireSchedules(ctx context.Context) error {
	tick := time.NewTicker(scheduleTick)
	defer tick.Stop()
	for {
		more, err := c.fireDue(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.Error("fire schedules", "err", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// fireDue fires what is due, up to a transaction's worth; more says that there
// is still some.
func (c *Control) fireDue(ctx context.Context) (more bool, err error) {
	var due bool
	err = c.view(ctx, func(tx *store.Tx) error { // cheap: most looks find nothing
		at, err := tx.NextSchedule()
		if err != nil || at == 0 {
			return err
		}
		now, err := tx.Now()
		due = at <= now
		return err
	})
	if err != nil || !due {
		return false, err
	}
	err = c.DB.Update(ctx, func(tx *store.Tx) error {
		more = false
		_, mine, err := tx.TakeLease("scheduler", c.ID, c.Lease/2)
		if err != nil || !mine {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		list, err := tx.SchedulesDue(now, scheduleBatch)
		if err != nil {
			return err
		}
		more = len(list) == scheduleBatch
		jobs := 0
		for i := range list {
			n, err := c.fire(tx, &list[i], now)
			if err != nil {
				return fmt.Errorf("schedule %s: %w", list[i].ID, err)
			}
			if jobs += n; jobs >= scheduleJobs && i < len(list)-1 {
				more = true
				break
			}
		}
		return nil
	})
	return more, err
}

// fire makes the schedule's jobs and sets its next time. A schedule that cannot
// be obeyed any more is paused, with the reason as an event.
func (c *Control) fire(tx *store.Tx, s *cloud.Schedule, now cloud.Time) (n int, err error) {
	run, next, err := schedule.Due(*s, now.Time())
	var jobs []*cloud.Job
	if err == nil && run {
		jobs, err = c.jobsOf(tx, s, next)
	}
	if err == nil && len(jobs) > 0 {
		err = c.jobs.Add(tx, jobs...)
	}
	if cloud.Is(err, cloud.Invalid) || cloud.Is(err, cloud.NotFound) {
		s.Paused = true
		if err := stateEvent(tx, "schedule.paused", scheduleSubject(s), cloud.UserMessage(err)); err != nil {
			return 0, err
		}
		return 0, tx.UpdateSchedule(s)
	}
	if err != nil {
		return 0, err
	}
	if run {
		s.LastAt = now
	}
	s.NextAt = cloud.TimeOf(next)
	return len(jobs), tx.UpdateSchedule(s)
}

// jobsOf makes a job for each node that the schedule means, except where the
// same one still waits.
func (c *Control) jobsOf(tx *store.Tx, s *cloud.Schedule, next time.Time) ([]*cloud.Job, error) {
	model, header, err := modelJob(tx, s, next)
	if err != nil {
		return nil, err
	}
	nodes, err := nodesOf(tx, s, header.Roles)
	if err != nil {
		return nil, err
	}
	var out []*cloud.Job
	for _, n := range nodes {
		j := *model
		j.TargetNode = n.ID
		j.Key = "schedule:" + string(s.ID) + ":" + string(n.ID)
		waiting, err := tx.QueuedWithKey(j.Key)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(waiting, func(w cloud.Job) bool { return w.ScriptID == j.ScriptID }) {
			out = append(out, &j)
		}
	}
	return out, nil
}

// modelJob is the schedule's job, without a node.
func modelJob(tx *store.Tx, s *cloud.Schedule, next time.Time) (*cloud.Job, cloud.ScriptHeader, error) {
	j := &cloud.Job{
		AccountID: s.AccountID, Args: s.Args, TimeoutMS: s.TimeoutMS, Supersede: true, Retention: cloud.KeepDays,
		ScheduleID: s.ID, CreatedBy: "schedule " + string(s.ID),
	}
	after, err := schedule.Next(*s, next)
	if err != nil {
		return nil, cloud.ScriptHeader{}, err
	}
	if after.Sub(next) < time.Hour {
		j.Retention = cloud.KeepLast
	}
	if s.ScriptName == "" {
		j.Action = cloud.ActionCommand
		j.Args, err = json.Marshal(map[string][]string{"argv": s.Command})
		return j, cloud.ScriptHeader{}, err
	}
	sc, err := tx.ScriptNamed(s.AccountID, s.ScriptName)
	if err != nil {
		return nil, cloud.ScriptHeader{}, err
	}
	j.Action, j.ScriptID, j.Queue = cloud.ActionScript, sc.ID, sc.Header.Queue
	if j.TimeoutMS == 0 && sc.Header.Timeout != "" {
		d, err := time.ParseDuration(sc.Header.Timeout)
		if err != nil {
			return nil, sc.Header, cloud.FieldErrorf("timeout", "%q in the header of script %s is no time", sc.Header.Timeout, sc.Name)
		}
		j.TimeoutMS = d.Milliseconds()
	}
	return j, sc.Header, nil
}

// nodesOf returns the nodes that the schedule means: those with one of the
// header's roles, if it names any. A node that is away is left out, unless
// missed times are to be made up for: then the job waits for it.
func nodesOf(tx *store.Tx, s *cloud.Schedule, roles []cloud.Role) ([]cloud.Node, error) {
	var nodes []cloud.Node
	if s.Node != "" {
		n, err := tx.Node(s.Node)
		if err != nil {
			return nil, err
		}
		nodes = []cloud.Node{*n}
	} else {
		var err error
		if nodes, err = allOf(tx.Nodes, store.Query{Visible: store.Everything}); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(nodes, func(n cloud.Node) bool {
		return n.State != cloud.NodeOnline && s.Miss != cloud.MissOnce ||
			s.LocationID != "" && n.LocationID != s.LocationID ||
			s.Role != "" && !n.HasRole(s.Role) ||
			len(roles) > 0 && !slices.ContainsFunc(roles, n.HasRole)
	}), nil
}
