package control

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// scriptRun is one run of a control script.
type scriptRun struct {
	project    *cloud.Project
	deployment *cloud.Deployment // nil for scripts that are about none
	script     cloud.ControlScript
	// application and config are the effective configurations, secrets sealed.
	application, config []cloud.KeyValue
	old, new            string // with notifications
	timeout             time.Duration
	queue               string
}

// scriptOf is a run for the deployment with its effective configuration.
func scriptOf(p *cloud.Project, d *cloud.Deployment, script cloud.ControlScript) scriptRun {
	return scriptRun{
		project: p, deployment: d, script: script, application: d.EffectiveApplication, config: d.EffectiveDeployment,
		timeout: p.ScriptTimeout, queue: cloud.QueueControl,
	}
}

// bundleGrace is what a job has beyond its script's time: to fetch the bundle, and
// for its init.
const bundleGrace = 5 * time.Minute

// job makes the job on a runner that is online, the deployment's own if it can be.
// Secrets in it are sealed until it is handed over; see controlArgs.
func (sr *scriptRun) job(tx *store.Tx) (cloud.Job, error) {
	p := sr.project
	ref, err := bundleOf(tx, p)
	if err != nil {
		return cloud.Job{}, err
	}
	runner, err := pickRunner(tx, p, sr.deployment, ref.Kind.Bound())
	if err != nil {
		return cloud.Job{}, err
	}
	run := wire.ControlRun{
		Project: p.ID, ProjectName: p.Name, BaseDomain: p.BaseDomain, Namespace: p.Namespace, Bundle: ref, Script: sr.script,
		Deployment: sr.config, Application: sr.application, OldStatus: sr.old, NewStatus: sr.new,
		TimeoutS: int64(sr.timeout.Seconds()), DiskMiB: p.DiskMiB,
	}
	for _, s := range p.Secrets {
		run.Env = append(run.Env, cloud.KeyValue{Key: s.Name, Value: s.Sealed, Secret: true})
	}
	j := cloud.Job{
		AccountID: p.AccountID, ProjectID: p.ID, Action: wire.ActionControlRun, TargetNode: runner, Queue: sr.queue,
		TimeoutMS: (sr.timeout + bundleGrace).Milliseconds(), RunAs: strconv.FormatInt(p.UserID, 10), Retention: cloud.KeepDays, Idempotent: sr.script.Looks(),
		SubjectKind: cloud.KindProject, SubjectID: string(p.ID),
	}
	if d := sr.deployment; d != nil {
		run.Name = d.Name
		j.SubjectKind, j.SubjectID = cloud.KindDeployment, string(d.ID)
	}
	if sr.queue == cloud.QueueControl && sr.deployment != nil {
		j.Key = deploymentKey(sr.deployment.ID)
	}
	j.Args, err = json.Marshal(run)
	return j, err
}

// deploymentKey has the scripts that change a deployment run one at a time, also after
// an operation was canceled whose script takes a while to end.
func deploymentKey(id cloud.DeploymentID) string { return "deployment:" + string(id) }

// pickRunner chooses the node for a script: the one that the deployment's last script
// ran on, else the one with the fewest deployments of the project. A deployment that
// lives on its runner (bound) has no other.
func pickRunner(tx *store.Tx, p *cloud.Project, d *cloud.Deployment, bound bool) (cloud.NodeID, error) {
	if d != nil && d.RunnerID != "" {
		n, err := tx.Node(d.RunnerID)
		if err != nil && !cloud.Is(err, cloud.NotFound) {
			return "", err
		}
		if err == nil && (p.Runs(n) || bound && n.State == cloud.NodeOnline) {
			return n.ID, nil
		}
		if bound && d.DeployedAt != 0 {
			name, state := string(d.RunnerID), "gone"
			if err == nil {
				name, state = n.Name, string(n.State)
			}
			return "", cloud.Errorf(cloud.Unavailable, "runner %s, on which deployment %s lives, is %s", name, d.Name, state)
		}
	}
	nodes, err := allOf(tx.Nodes, store.Query{Visible: store.Everything, Filter: []string{"role=" + string(p.Role), "state=" + string(cloud.NodeOnline)}})
	if err != nil {
		return "", err
	}
	load, err := tx.RunnerLoad(p.ID)
	if err != nil {
		return "", err
	}
	nodes = slices.DeleteFunc(nodes, func(n cloud.Node) bool { return !p.Runs(&n) })
	if len(nodes) == 0 {
		return "", cloud.Errorf(cloud.Unavailable, "project %s has no runner: no node is online that has the role %s and the labels %v and is not cordoned", p.Name, p.Role, p.Labels)
	}
	if slices.ContainsFunc(nodes, func(n cloud.Node) bool { return !n.Simulated }) { // people want it done for real
		nodes = slices.DeleteFunc(nodes, func(n cloud.Node) bool { return n.Simulated })
	}
	best := slices.MinFunc(nodes, func(a, b cloud.Node) int { return int(load[a.ID] - load[b.ID]) })
	return best.ID, nil
}

// controlArgs opens the secrets of a control script's arguments for its agent.
func (c *Control) controlArgs(j *cloud.Job) (json.RawMessage, error) {
	var run wire.ControlRun
	if err := json.Unmarshal(j.Args, &run); err != nil {
		return nil, err
	}
	for _, list := range [][]cloud.KeyValue{run.Deployment, run.Application, run.Env} {
		if err := c.openValues(run.Project, list); err != nil {
			return nil, err
		}
	}
	return json.Marshal(run)
}

// openValues puts the plain text in the place of sealed values.
func (c *Control) openValues(p cloud.ProjectID, list []cloud.KeyValue) error {
	for i := range list {
		if !list[i].Secret {
			continue
		}
		plain, err := c.inst.values.Open(list[i].Value, secretPlace(p))
		if err != nil {
			return cloud.Wrap(cloud.Internal, err, "the secret %s cannot be opened", list[i].Key)
		}
		list[i].Value = plain
	}
	return nil
}

// scriptResult is how the job's script ended.
func scriptResult(j *cloud.Job) (*wire.ControlResult, error) {
	var res wire.ControlResult
	if err := json.Unmarshal(j.Result, &res); err != nil {
		return nil, cloud.Wrap(cloud.Internal, err, "the runner's answer to %s cannot be read", j.Action)
	}
	return &res, nil
}

// run has a step's script done and waits for it: op.ErrWait until it ends. A runner
// that was lost in the middle is replaced by another one, so that a script may be
// run again.
func (c *Control) run(s *op.Scope, name string, sr scriptRun, with func(*cloud.Job)) (*cloud.Job, *wire.ControlResult, error) {
	for {
		j, err := s.NamedJob(name, func() (cloud.Job, error) {
			j, err := sr.job(s.Tx)
			if with != nil {
				with(&j)
			}
			return j, err
		})
		if errors.Is(err, op.ErrWait) {
			lost, lookErr := c.loseRunner(s)
			if lookErr != nil {
				return nil, nil, lookErr
			}
			if lost {
				continue
			}
		}
		if err != nil {
			return nil, nil, err
		}
		res, err := scriptResult(j)
		return j, res, err
	}
}

// loseRunner gives up the operation's job if its runner is away: at once one that
// the runner has not got yet, after a while one that it may still be running.
func (c *Control) loseRunner(s *op.Scope) (lost bool, err error) {
	jobs, err := s.Tx.JobsOf(s.Op.ID)
	if err != nil {
		return false, err
	}
	now, err := s.Tx.Now()
	if err != nil {
		return false, err
	}
	for i := range jobs {
		j := &jobs[i]
		if j.State.Final() {
			continue
		}
		n, err := s.Tx.Node(j.TargetNode)
		if err != nil && !cloud.Is(err, cloud.NotFound) {
			return false, err
		}
		if err == nil && n.State == cloud.NodeOnline {
			continue
		}
		why := "its runner is away"
		if j.State == cloud.JobQueued {
			lost, err = s.Tx.CancelQueued(j.ID, cloud.JobLost, why)
			return lost, err
		}
		if err == nil && now.Sub(n.LastSeenAt) < takeOverAfter*c.NodeOffline {
			continue
		}
		_, err = s.Tx.FinishJobs([]store.Finish{{
			JobRef: store.JobRef{ID: j.ID, Token: j.Token}, NodeID: j.NodeID, State: cloud.JobLost, Error: why, FinishedAt: now,
		}})
		return err == nil, err
	}
	return false, nil
}

// takeOverAfter is how many times as long as it takes to be offline a runner must be
// silent until its scripts are given to another.
const takeOverAfter = 3

// ask runs a script whose answer somebody waits for. The error is Unavailable or
// Timeout if there is none.
func (c *Control) ask(ctx context.Context, sr scriptRun) (*wire.ControlResult, error) {
	sr.queue = cloud.QueueAsk
	if sr.timeout == 0 {
		sr.timeout = cloud.ConfigCheckTimeout
	}
	var j cloud.Job
	err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if j, err = sr.job(tx); err != nil {
			return err
		}
		j.Retention, j.Priority = cloud.KeepFailures, 10
		j.CreatedBy = "project " + string(sr.project.ID)
		return c.jobs.Add(tx, &j)
	})
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, sr.timeout+askGrace)
	defer cancel()
	done, err := c.jobs.Wait(wait, j.ID)
	if err != nil {
		return nil, err
	}
	if !done.State.Final() {
		if err := c.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { return c.jobs.Cancel(tx, j.ID, "nobody waits for it any more") }); err != nil && !cloud.Is(err, cloud.Conflict) {
			return nil, err
		}
		return nil, cloud.Errorf(cloud.Timeout, "%s did not answer within %s", sr.script, sr.timeout)
	}
	if done.State != cloud.JobSucceeded {
		return nil, op.JobError(done)
	}
	res, err := scriptResult(done)
	if err == nil && res.TimedOut {
		err = cloud.Errorf(cloud.Timeout, "%s did not end within %s", sr.script, sr.timeout)
	}
	return res, err
}

// askGrace is how long an answer may be on its way beyond the script's own time.
const askGrace = 5 * time.Second
