package control

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// healthKey has the checks of a deployment run one at a time, and keeps the last.
func healthKey(id cloud.DeploymentID) string { return "check:" + string(id) }

// seenGrain is how exactly the last use of a deployment is kept.
const seenGrain = time.Minute

func checkName(n int) string { return fmt.Sprintf("check-%d", n) }

const (
	checkTick  = time.Second
	checkPace  = 100 * time.Millisecond // between two looks while checks are due
	checkBatch = 100                    // in one transaction
)

// checkDeployments begins the checks that are due. They run beside each other on
// the runners; one that takes long delays no other.
func (c *Control) checkDeployments(ctx context.Context) error {
	return c.loop(ctx, "deployment-checks", checkTick, c.beginDue)
}

// beginDue begins checks until the loop runs again, each when it is due: those of a
// second at once would be in the way of each other, and of what people wait for.
func (c *Control) beginDue(ctx context.Context) error {
	end := time.Now().Add(checkTick)
	for {
		var next time.Duration
		err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
			next, err = c.beginChecks(tx)
			return err
		})
		if err != nil {
			return err
		}
		if next <= 0 {
			continue
		}
		next = max(next, checkPace)
		if time.Now().Add(next).After(end) {
			return nil
		}
		pause := time.NewTimer(next)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// beginChecks begins some of the checks that are due and returns in what time the next
// one is.
func (c *Control) beginChecks(tx *store.Tx) (next time.Duration, err error) {
	now, err := tx.Now()
	if err != nil {
		return 0, err
	}
	due, err := tx.DeploymentsToCheck(now, checkBatch)
	if err != nil {
		return 0, err
	}
	projects := map[cloud.ProjectID]*cloud.Project{}
	var jobs []*cloud.Job
	for i := range due {
		d := &due[i]
		p := projects[d.ProjectID]
		if p == nil {
			if p, err = tx.Project(d.ProjectID); err != nil {
				return 0, err
			}
			projects[p.ID] = p
		}
		j, err := c.beginCheck(tx, p, d, now)
		if err != nil {
			return 0, err
		}
		if j != nil {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) > 0 {
		if err := c.jobs.Add(tx, jobs...); err != nil {
			return 0, err
		}
	}
	at, err := tx.NextCheck()
	if at == 0 {
		return checkTick, err
	}
	return at.Sub(now), err
}

// nextCheck is when a deployment is checked next: at its own moment of each interval.
// So checks that became due together, as after an outage, do not stay together, and
// the time that passes until one begins adds up to nothing.
func nextCheck(id cloud.DeploymentID, now cloud.Time, interval time.Duration) cloud.Time {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	own := time.Duration(h.Sum64()%uint64(interval.Microseconds())) * time.Microsecond
	return now.Add(interval - (time.Duration(now)*time.Microsecond-own)%interval)
}

// beginCheck makes the deployment's next check, nil if the one before still runs or
// none can be run.
func (c *Control) beginCheck(tx *store.Tx, p *cloud.Project, d *cloud.Deployment, now cloud.Time) (*cloud.Job, error) {
	next := nextCheck(d.ID, now, p.StatusInterval)
	if d.CheckJobID != "" {
		old, err := tx.Job(d.CheckJobID)
		if err != nil && !cloud.Is(err, cloud.NotFound) {
			return nil, err
		}
		if err == nil && !old.State.Final() {
			return nil, c.lateCheck(tx, d, old, now, next)
		}
	}
	run := scriptOf(p, d, cloud.ScriptCheck)
	run.timeout, run.queue = p.CheckTimeout, cloud.QueueCheck
	j, err := run.job(tx)
	if store.Broken(err) {
		return nil, err
	}
	if err != nil {
		return nil, tx.MissCheck(d.ID, cloud.UserMessage(err), next)
	}
	j.ID, j.Key, j.Retention, j.CreatedBy = cloud.NewID[cloud.JobID](), healthKey(d.ID), cloud.KeepLast, "deployment "+string(d.ID)
	return &j, tx.BeginCheck(d.ID, j.ID, j.TargetNode, next)
}

// lateCheck waits for a check that has not ended, unless its runner is away: then
// another one may do the next.
func (c *Control) lateCheck(tx *store.Tx, d *cloud.Deployment, j *cloud.Job, now, next cloud.Time) error {
	n, err := tx.Node(j.TargetNode)
	if err != nil && !cloud.Is(err, cloud.NotFound) {
		return err
	}
	if err == nil && n.State == cloud.NodeOnline {
		return tx.BeginCheck(d.ID, j.ID, j.TargetNode, next)
	}
	if err := c.jobs.Cancel(tx, j.ID, "its runner is away"); err != nil && !cloud.Is(err, cloud.Conflict) {
		return err
	}
	return tx.MissCheck(d.ID, "the runner is away; the health is as it was seen last", now.Add(checkTick))
}

// checked takes the end of a check. It is called in the transaction that ends the
// job, together with others: a deployment that is changed at the same moment keeps
// what it has, and the next check sees it.
func (c *Control) checked(tx *store.Tx, job cloud.JobID) error {
	j, err := tx.Job(job)
	if err != nil {
		return err
	}
	var problem string
	var res *wire.ControlResult
	if j.State == cloud.JobSucceeded {
		if res, err = scriptResult(j); err != nil {
			problem = cloud.UserMessage(err)
		}
	} else {
		problem = fmt.Sprintf("the check was not run (%s): %s", j.State, j.Error)
	}
	id := cloud.DeploymentID(j.SubjectID)
	ours, err := tx.EndCheck(id, j.ID, problem)
	if err != nil || !ours || res == nil {
		return err
	}
	d, err := tx.Deployment(id)
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if now, err := tx.Now(); err != nil {
		return err
	} else if at := min(res.UsedAt, now); at.Sub(d.UsedAt) >= seenGrain { // the runner's clock may be wrong
		if err := tx.UsedDeployment(d.ID, at); err != nil {
			return err
		}
	}
	return c.observeHealth(tx, d, res, j.ID)
}

// observeHealth moves the deployment to where the check's result says that it is.
func (c *Control) observeHealth(tx *store.Tx, d *cloud.Deployment, res *wire.ControlResult, job cloud.JobID) error {
	reason := cloud.CheckReason(res.ExitCode)
	if res.TimedOut {
		reason = cloud.ReasonTimeout
	}
	from := *d
	if d.State == cloud.DeploymentFailure && d.Script != string(cloud.ScriptCheck) {
		return nil // what was asked for is not there, although something may answer
	}
	d.State = d.State.Checked(reason)
	if !checkable(from.State) || d.State == from.State && reason == d.Reason {
		return nil
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	d.Reason, d.Message, d.Script, d.ExitCode, d.StatusAt = reason, "", "", int64(res.ExitCode), now
	if reason != "" {
		d.Script, d.Message = string(cloud.ScriptCheck), fmt.Sprintf("the control script check ended with exit code %d", res.ExitCode)
		if res.TimedOut {
			d.Message = "the control script check did not end in time"
		}
	}
	moved, err := tx.ObserveDeployment(d, from.State)
	if err != nil || !moved {
		return err
	}
	if err := healthAction(tx, d, from.State, job); err != nil {
		return err
	}
	p, err := tx.Project(d.ProjectID)
	if err != nil {
		return err
	}
	return c.changed(tx, p, &from, d)
}

func checkable(s cloud.DeploymentState) bool {
	return s == cloud.DeploymentRunning || s == cloud.DeploymentFailure
}

// deploymentStatus is what an event of a deployment's state shows of it.
type deploymentStatus struct {
	State    cloud.DeploymentState
	Reason   cloud.DeploymentReason
	Script   string
	ExitCode int64
}

// changed tells of a deployment's new state: by an event, and by the project's own
// script.
func (c *Control) changed(tx *store.Tx, p *cloud.Project, from, d *cloud.Deployment) error {
	message := fmt.Sprintf("%s, was %s", d.State, from.State)
	if d.Reason != "" {
		message += ": " + string(d.Reason)
	}
	err := stateDifference(tx, "deployment.state", deploymentSubject(d), message,
		deploymentStatus{from.State, from.Reason, from.Script, from.ExitCode}, deploymentStatus{d.State, d.Reason, d.Script, d.ExitCode})
	if err != nil || d.DeletedAt != 0 {
		return err
	}
	run := scriptOf(p, d, cloud.ScriptNotifications)
	run.old, run.new = cloud.OctopodStatus(from), cloud.OctopodStatus(d)
	run.queue, run.timeout = cloud.QueueAsk, cloud.ConfigCheckTimeout
	if run.old == run.new {
		return nil
	}
	j, err := run.job(tx)
	if err != nil {
		if store.Broken(err) {
			return err
		}
		c.Log.Warn("nobody can be notified of a deployment's state", "deployment", d.Name, "err", err)
		return nil
	}
	j.Key, j.Retention, j.CreatedBy = "notify:"+string(d.ID), cloud.KeepFailures, "deployment "+string(d.ID)
	return c.jobs.Add(tx, &j)
}
