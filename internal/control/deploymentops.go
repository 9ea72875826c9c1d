package control

import (
	"encoding/json"
	"errors"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
	"atoll/internal/wire"
)

const opUpdate = "deployment.update"

// deploymentLimit bounds an operation on a deployment; its scripts have limits of
// their own, which are shorter.
const deploymentLimit = 49 * time.Hour

func (c *Control) deploymentOperations() []op.Definition {
	wait := op.Step{Name: "wait for the operation before", Do: waitBefore}
	info := op.Step{Name: "info", Do: c.infoStep}
	check := op.Step{Name: "wait for check", Do: c.checkStep(cloud.ScriptCheck)}
	script := func(name cloud.ControlScript) op.Step { return op.Step{Name: string(name), Do: c.scriptStep(name)} }
	return []op.Definition{
		c.deploying(cloud.VerbCreate, cloud.DeploymentCreatePending, info, script(cloud.ScriptCreate), check),
		c.deploying(cloud.VerbUpdate, cloud.DeploymentUpdatePending, wait,
			op.Step{Name: "check configuration", Do: c.configStep}, op.Step{Name: "begin", Do: c.beginUpdate},
			info, script(cloud.ScriptUpdate), check),
		c.deploying(cloud.VerbRestore, cloud.DeploymentCreatePending, info, script(cloud.ScriptUnarchive), check),
		c.ending(cloud.VerbArchive, wait, script(cloud.ScriptArchive),
			op.Step{Name: "wait for archive check", Do: c.checkStep(cloud.ScriptArchiveCheck)}),
		c.ending(cloud.VerbCleanup, wait, script(cloud.ScriptCleanup)),
		c.ending(cloud.VerbDelete, wait, script(cloud.ScriptArchive), script(cloud.ScriptCleanup)),
	}
}

// deploying is an operation that ends with a deployment that runs.
func (c *Control) deploying(verb cloud.DeploymentVerb, pending cloud.DeploymentState, steps ...op.Step) op.Definition {
	return op.Definition{
		Kind: "deployment." + string(verb), Limit: deploymentLimit, Steps: steps,
		Settled: c.deployed, Retry: c.retryDeployment(verb, pending),
	}
}

// ending is an operation that takes a deployment down.
func (c *Control) ending(verb cloud.DeploymentVerb, steps ...op.Step) op.Definition {
	return op.Definition{
		Kind: "deployment." + string(verb), Limit: deploymentLimit, Steps: steps,
		Settled: c.endedDeployment(verb), Retry: c.retryDeployment(verb, cloud.DeploymentDeletePending),
	}
}

// deploymentOf is the operation's deployment with its project.
func deploymentOf(s *op.Scope) (*cloud.Deployment, *cloud.Project, error) {
	d, err := s.Tx.Deployment(cloud.DeploymentID(s.Op.SubjectID))
	if err != nil {
		return nil, nil, err
	}
	p, err := s.Tx.Project(d.ProjectID)
	return d, p, err
}

// scriptStep runs a script that changes the deployment.
func (c *Control) scriptStep(script cloud.ControlScript) func(*op.Scope) error {
	return func(s *op.Scope) error {
		var in deployInput
		if err := s.Input(&in); err != nil {
			return err
		}
		verb := verbOf(s.Op)
		skip := in.Force && verb != cloud.VerbArchive ||
			script == cloud.ScriptArchive && verb == cloud.VerbDelete && in.From == cloud.DeploymentArchived
		if skip {
			return nil
		}
		d, p, err := deploymentOf(s)
		if err != nil {
			return err
		}
		s.Progress(30, "running %s", script)
		j, res, err := c.run(s, "", scriptOf(p, d, script), nil)
		if err != nil {
			return err
		}
		if err := keepRunner(s, d, j.NodeID); err != nil {
			return err
		}
		return scriptFailed(script, p, res)
	}
}

// keepRunner records on which runner the deployment's script ran.
func keepRunner(s *op.Scope, d *cloud.Deployment, runner cloud.NodeID) error {
	if d.RunnerID == runner {
		return nil
	}
	d.RunnerID = runner
	return s.Tx.UpdateDeployment(d)
}

// scriptFailed is a script's end as an error for people, nil if it went well.
func scriptFailed(script cloud.ControlScript, p *cloud.Project, res *wire.ControlResult) error {
	switch {
	case res.TimedOut:
		return cloud.Errorf(cloud.Timeout, "the control script %s did not end within %s", script, p.ScriptTimeout)
	case res.ExitCode != 0:
		return cloud.Errorf(cloud.Unavailable, "the control script %s ended with exit code %d", script, res.ExitCode)
	}
	return nil
}

// recomputed is the effective configuration of an update that waited, as of its turn.
type recomputed struct {
	Application []cloud.KeyValue `json:"application"`
	Deployment  []cloud.KeyValue `json:"deployment"`
}

// configStep computes the configuration of an update that waited once more, and has
// config_check judge it: the defaults and what it says may have changed since.
func (c *Control) configStep(s *op.Scope) error {
	var in deployInput
	if err := s.Input(&in); err != nil || !in.Waited {
		return err
	}
	d, p, err := deploymentOf(s)
	if err != nil {
		return err
	}
	s.Progress(5, "checking the configuration again")
	defaults, err := c.defaultsNow(s, p, cloud.ScriptDeploymentConfig, nil)
	if err != nil {
		return err
	}
	now := recomputed{Deployment: cloud.Merge(defaults, in.Deployment)}
	if defaults, err = c.defaultsNow(s, p, cloud.ScriptAppConfig, now.Deployment); err != nil {
		return err
	}
	now.Application = cloud.Merge(defaults, in.Application)
	run := scriptOf(p, d, cloud.ScriptConfigCheck)
	run.application, run.config = now.Application, now.Deployment
	run.timeout, run.queue = min(cloud.ConfigCheckTimeout, p.ScriptTimeout), cloud.QueueAsk
	_, res, err := c.run(s, "", run, nil)
	if err != nil {
		return err
	}
	if res.TimedOut {
		return cloud.Errorf(cloud.Timeout, "config_check did not end within %s", run.timeout)
	}
	if err := configRefused(res.ExitCode, res.Stdout); err != nil {
		return err
	}
	return s.Keep(now)
}

// defaultsNow asks a step's script for defaults, whatever it said before.
func (c *Control) defaultsNow(s *op.Scope, p *cloud.Project, script cloud.ControlScript, config []cloud.KeyValue) ([]cloud.KeyValue, error) {
	run := scriptRun{project: p, script: script, config: config, timeout: min(cloud.ConfigCheckTimeout, p.ScriptTimeout), queue: cloud.QueueAsk}
	_, res, err := c.run(s, string(script), run, nil)
	if err == nil {
		err = scriptFailed(script, p, res)
	}
	if err == nil {
		err = run.tooLong(res)
	}
	if err != nil {
		return nil, err
	}
	return run.defaults(res.Stdout)
}

// beginUpdate makes an update that waited the one that is under way.
func (c *Control) beginUpdate(s *op.Scope) error {
	var in deployInput
	if err := s.Input(&in); err != nil || !in.Waited {
		return err
	}
	var now recomputed
	if err := s.Data(&now); err != nil {
		return err
	}
	in.EffectiveApplication, in.EffectiveDeployment = now.Application, now.Deployment
	d, p, err := deploymentOf(s)
	if err != nil || d.OperationID == s.Op.ID {
		return err
	}
	if err := cloud.DeploymentTransitions.Check(cloud.KindDeployment, d.Name, d.State, cloud.DeploymentUpdatePending); err != nil {
		return err
	}
	at, err := s.Tx.Now()
	if err != nil {
		return err
	}
	from := *d
	begin(d, s.Op, in, at)
	d.WaitingID = ""
	if err := c.changed(s.Tx, p, &from, d); err != nil {
		return err
	}
	a, err := s.Tx.ActionOf(s.Op.ID)
	if err == nil {
		a.Outcome = cloud.ActionRunning
		a.Application, a.Deployment, err = c.diff(p.ID, &from, d)
	}
	if err == nil {
		err = s.Tx.UpdateAction(a)
	}
	if err != nil {
		return err
	}
	return s.Tx.UpdateDeployment(d)
}

// infoStep asks for the links. Without an answer the old ones stay.
func (c *Control) infoStep(s *op.Scope) error {
	d, p, err := deploymentOf(s)
	if err != nil {
		return err
	}
	s.Progress(10, "asking for the links")
	run := scriptOf(p, d, cloud.ScriptInfo)
	run.timeout = min(cloud.ConfigCheckTimeout, p.ScriptTimeout)
	run.queue = cloud.QueueAsk
	j, res, err := c.run(s, "", run, nil)
	switch {
	case errors.Is(err, op.ErrWait), store.Broken(err):
		return err
	case err == nil && res.ExitCode == 0 && !res.TimedOut:
		if d.Links, err = cloud.ParseLinks(res.Stdout); err == nil {
			d.RunnerID = j.NodeID
			return s.Tx.UpdateDeployment(d)
		}
	case err == nil:
		err = scriptFailed(cloud.ScriptInfo, p, res)
	}
	c.Log.Warn("the links of a deployment stay as they were", "deployment", d.Name, "err", err)
	return nil
}

// waiting is what a step that waits for a check keeps.
type waiting struct {
	Since  cloud.Time `json:"since"`
	Checks int        `json:"checks"`
}

// checkStep runs the check until it is good, or the project's time for that is over.
func (c *Control) checkStep(script cloud.ControlScript) func(*op.Scope) error {
	return func(s *op.Scope) error {
		d, p, err := deploymentOf(s)
		if err != nil {
			return err
		}
		now, err := s.Tx.Now()
		if err != nil {
			return err
		}
		var w waiting
		if err := s.Data(&w); err != nil {
			return err
		}
		if w.Since == 0 {
			w.Since = now
		}
		s.Progress(70, "waiting until %s is good", script)
		run := scriptOf(p, d, script)
		run.timeout, run.queue = p.CheckTimeout, cloud.QueueCheck
		j, res, err := c.run(s, checkName(w.Checks), run, func(j *cloud.Job) {
			j.Key, j.Retention = healthKey(d.ID), cloud.KeepLast
		})
		if errors.Is(err, op.ErrWait) {
			return errors.Join(s.Keep(w), op.ErrWait)
		}
		if err != nil || res.ExitCode == 0 && !res.TimedOut {
			return err
		}
		if now.Sub(w.Since) >= p.StatusTimeout {
			return cloud.Errorf(cloud.Timeout, "%s was not good within %s; its last exit code is %d", script, p.StatusTimeout, res.ExitCode)
		}
		w.Checks++
		s.Progress(70, "waiting until %s is good; exit code %d", script, res.ExitCode)
		s.Op.WakeAt = max(now, j.FinishedAt).Add(min(time.Duration(w.Checks)*time.Second, p.StatusInterval))
		return errors.Join(s.Keep(w), op.ErrWait)
	}
}

// lastRun is the last script of an operation that decided something.
type lastRun struct {
	script cloud.ControlScript
	exit   int
	failed bool
	lost   bool
	timed  bool
}

// lastScript is the last job of the operation that ran a script, nil if none did. Of
// one that went well it is no check: those that were not good yet decided nothing.
func lastScript(s *op.Scope, failed bool) (*cloud.Job, *lastRun, error) {
	jobs, err := s.Tx.JobsOf(s.Op.ID)
	if err != nil {
		return nil, nil, err
	}
	var at *cloud.Job
	var run lastRun
	for i := range jobs {
		var args wire.ControlRun
		if err := json.Unmarshal(jobs[i].Args, &args); err != nil {
			return nil, nil, err
		}
		r := lastRun{script: args.Script, failed: jobs[i].State != cloud.JobSucceeded, lost: jobs[i].State == cloud.JobLost, timed: jobs[i].State == cloud.JobTimedOut}
		if res, err := scriptResult(&jobs[i]); err == nil && !r.failed {
			r.exit, r.timed = res.ExitCode, res.TimedOut
			r.failed = res.ExitCode != 0 || res.TimedOut
		}
		decides := args.Script != cloud.ScriptInfo
		watches := args.Script == cloud.ScriptCheck || args.Script == cloud.ScriptArchiveCheck
		if decides && (!watches || failed && (at == nil || r.failed)) { // a good check says nothing about the script before it
			at, run = &jobs[i], r
		}
	}
	return at, &run, nil
}

// blame puts into the deployment why its operation ended badly.
func blame(s *op.Scope, d *cloud.Deployment, cause *cloud.Error) error {
	j, run, err := lastScript(s, true)
	if err != nil {
		return err
	}
	d.Message, d.Script, d.ExitCode = cause.Message, "", 0
	if j != nil && run.failed {
		d.Script, d.ExitCode = string(run.script), int64(run.exit)
	}
	check := run.script == cloud.ScriptCheck
	switch {
	case s.Op.CancelAsked:
		d.Reason = cloud.ReasonCanceled
	case cause.Kind == cloud.Timeout && check && run.exit != 0:
		d.Reason = cloud.CheckReason(run.exit)
	case cause.Kind == cloud.Quota:
		d.Reason = cloud.ReasonDiskLimit
	case cause.Kind == cloud.Timeout || run.timed:
		d.Reason = cloud.ReasonTimeout
	case j == nil || run.lost:
		d.Reason = cloud.ReasonRunnerLost
	default:
		d.Reason = cloud.ReasonScriptFailed
	}
	return nil
}

// deployed settles a create, an update or a restore.
func (c *Control) deployed(s *op.Scope, cause *cloud.Error) error {
	d, p, err := deploymentOf(s)
	if cloud.Is(err, cloud.NotFound) {
		return nil // it was deleted by force meanwhile
	}
	if err != nil {
		return err
	}
	now, err := s.Tx.Now()
	if err != nil {
		return err
	}
	if d.OperationID != s.Op.ID { // an update that never began, or what an archive canceled
		if d.WaitingID == s.Op.ID {
			d.WaitingID = ""
			if err := s.Tx.UpdateDeployment(d); err != nil {
				return err
			}
		}
		return endAction(s, d, cause)
	}
	from := *d
	d.State, d.Reason, d.Message, d.Script, d.ExitCode = cloud.DeploymentRunning, "", "", "", 0
	if cause != nil {
		d.State = cloud.DeploymentFailure
		if err := blame(s, d, cause); err != nil {
			return err
		}
	} else {
		d.DeployedAt, d.ArchivedAt, d.WarnedAt, d.IdleWarnedAt, d.ExpiresAt = now, 0, 0, 0, 0
		if d.TTL != 0 {
			d.ExpiresAt = now.Add(d.TTL)
		}
	}
	d.OperationID, d.Verb, d.StatusAt, d.CheckJobID = "", "", now, ""
	d.CheckAt = now.Add(p.StatusInterval)
	return c.settle(s, p, &from, d, cause)
}

// settle writes the deployment, which has left a pending state.
func (c *Control) settle(s *op.Scope, p *cloud.Project, from, d *cloud.Deployment, cause *cloud.Error) error {
	if err := s.Tx.UpdateDeployment(d); err != nil {
		return err
	}
	if err := endAction(s, d, cause); err != nil {
		return err
	}
	return c.changed(s.Tx, p, from, d)
}

// endedDeployment settles an archive, a cleanup or a delete.
func (c *Control) endedDeployment(verb cloud.DeploymentVerb) func(*op.Scope, *cloud.Error) error {
	return func(s *op.Scope, cause *cloud.Error) error {
		d, p, err := deploymentOf(s)
		if cloud.Is(err, cloud.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.OperationID != s.Op.ID {
			return endAction(s, d, cause)
		}
		var in deployInput
		if err := s.Input(&in); err != nil {
			return err
		}
		now, err := s.Tx.Now()
		if err != nil {
			return err
		}
		from := *d
		d.Reason, d.Message, d.Script, d.ExitCode = "", "", "", 0
		switch {
		case cause == nil && verb == cloud.VerbArchive:
			d.State, d.ArchivedAt, d.ExpiresAt = cloud.DeploymentArchived, now, 0
		case cause == nil:
			d.State, d.DeletedAt = cloud.DeploymentArchived, now
			if err := s.Tx.KeepNoLast(healthKey(d.ID)); err != nil {
				return err
			}
		default:
			if err := blame(s, d, cause); err != nil {
				return err
			}
			d.State = cloud.DeploymentFailure
			if in.From == cloud.DeploymentArchived {
				d.State = cloud.DeploymentArchived
			}
			d.Reason = failedEnd(verb, d.Reason)
			if d.ExpiresAt != 0 {
				d.ExpiresAt = max(d.ExpiresAt, now.Add(expireAgain))
			}
		}
		if cause == nil {
			what, err := deploymentAmounts(s.Tx, d, false)
			if err != nil {
				return err
			}
			if err := post(facts{s.Tx}, deploymentPosting(d, s.Op.ID), what); err != nil {
				return err
			}
		}
		d.OperationID, d.Verb, d.StatusAt, d.CheckJobID, d.CheckAt = "", "", now, "", now.Add(p.StatusInterval)
		return c.settle(s, p, &from, d, cause)
	}
}

// expireAgain is how long a deployment whose archive failed is left alone by the end
// of its time to live.
const expireAgain = time.Hour

// failedEnd is the reason of an archive or cleanup that failed; what is no script's
// fault says so itself.
func failedEnd(verb cloud.DeploymentVerb, why cloud.DeploymentReason) cloud.DeploymentReason {
	switch {
	case why == cloud.ReasonCanceled || why == cloud.ReasonRunnerLost:
		return why
	case verb == cloud.VerbArchive:
		return cloud.ReasonArchiveFailed
	}
	return cloud.ReasonCleanupFailed
}

// retryDeployment puts the deployment back into the pending state of an operation
// that was the last one that was tried.
func (c *Control) retryDeployment(verb cloud.DeploymentVerb, pending cloud.DeploymentState) func(*op.Scope) error {
	return func(s *op.Scope) error {
		d, p, err := deploymentOf(s)
		if err != nil {
			return err
		}
		last, err := s.Tx.LastAction(d.ID)
		if err != nil {
			return err
		}
		if last.OperationID != s.Op.RetryOf || d.State.Transitional() {
			return cloud.StateErrorf(string(d.State), "deployment %s is %s, and something else was done to it since; ask for the change again", d.Name, d.State)
		}
		if err := cloud.DeploymentTransitions.Check(cloud.KindDeployment, d.Name, d.State, pending); err != nil {
			return err
		}
		now, err := s.Tx.Now()
		if err != nil {
			return err
		}
		from := *d
		var in deployInput
		if err := s.Input(&in); err != nil {
			return err
		}
		if in.Waited { // it may never have begun, and is checked again before it does
			d.WaitingID = s.Op.ID
		} else {
			pend(d, pending, verb, s.Op.ID, now)
		}
		if err := s.Tx.UpdateDeployment(d); err != nil {
			return err
		}
		if !in.Waited {
			if err := c.changed(s.Tx, p, &from, d); err != nil {
				return err
			}
		}
		name := last.ActorName
		if u, err := s.Tx.User(cloud.UserID(s.Op.CreatedBy)); err == nil {
			name = u.Name
		}
		return retryAction(s, last, name)
	}
}
