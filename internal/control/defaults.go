package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// Defaults are what a project's scripts say of the configuration: the values that
// hold without overrides, and keys that there are.
type Defaults struct {
	Deployment, Application         []cloud.KeyValue
	DeploymentKeys, ApplicationKeys []string
}

// How long an answer of a script is used: one older than cacheFresh is used once
// more while a new one is asked for, one older than cacheStale is not.
const (
	cacheFresh = 10 * time.Minute
	cacheStale = 24 * time.Hour
)

// maxAnswers bounds how many are kept; each is up to cloud.MaxControlStdout.
const maxAnswers = 500

// answers are the answers of default and key scripts: those who ask for the same
// at once share one run. Failures are not kept: the next one asks again.
type answers struct {
	ctx  context.Context // of the runs, which others may wait for too
	stop context.CancelFunc
	runs sync.WaitGroup
	mu   sync.Mutex
	byID map[string]*answer
}

// end waits for the runs that are under way.
func (a *answers) end() {
	a.stop()
	a.runs.Wait()
}

type answer struct {
	ready  chan struct{} // closed when the first run has ended
	text   string
	err    error
	at     time.Time
	asking bool
}

// get returns the answer, from ask if none is kept.
func (a *answers) get(ctx context.Context, id string, now time.Time, ask func(context.Context) (string, error)) (string, error) {
	a.mu.Lock()
	a.forget(now)
	e := a.byID[id]
	switch {
	case e == nil:
		e = &answer{ready: make(chan struct{}), asking: true}
		a.byID[id] = e
		a.runs.Go(func() { a.run(id, e, ask) })
	case !e.asking && now.Sub(e.at) > cacheFresh:
		e.asking = true
		a.runs.Go(func() { a.run(id, e, ask) })
	}
	a.mu.Unlock()
	select {
	case <-e.ready:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return e.text, e.err
}

func (a *answers) run(id string, e *answer, ask func(context.Context) (string, error)) {
	text, err := ask(a.ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	e.asking = false
	first := e.at.IsZero()
	if err == nil {
		e.text, e.at = text, time.Now()
	}
	if first {
		e.err = err
		close(e.ready)
		if err != nil {
			delete(a.byID, id)
		}
	}
}

// forget drops what is too old, and the oldest if there are too many: each tried
// configuration has an answer of its own.
func (a *answers) forget(now time.Time) {
	oldest := ""
	for id, e := range a.byID {
		switch {
		case e.at.IsZero(): // somebody waits for it
		case now.Sub(e.at) > cacheStale:
			delete(a.byID, id)
		case oldest == "" || e.at.Before(a.byID[oldest].at):
			oldest = id
		}
	}
	if len(a.byID) >= maxAnswers && oldest != "" {
		delete(a.byID, oldest)
	}
}

// answerOf returns what a default or key script says, kept from an earlier run.
func (c *Control) answerOf(ctx context.Context, sr scriptRun) (string, error) {
	b, err := json.Marshal([]any{sr.project.ID, sr.project.Folder, sr.project.BundleID, sr.project.BaseDomain, sr.project.Namespace, sr.script, sr.config})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return c.answers.get(ctx, hex.EncodeToString(sum[:]), time.Now(), func(ctx context.Context) (string, error) {
		res, err := c.ask(ctx, sr)
		switch {
		case err != nil:
			return "", err
		case res.ExitCode != 0:
			return "", cloud.Errorf(cloud.Unavailable, "the control script %s of project %s answered with exit code %d: %s", sr.script, sr.project.Name, res.ExitCode, firstRunes(res.Stdout, 500))
		}
		return res.Stdout, sr.tooLong(res)
	})
}

func (sr *scriptRun) tooLong(res *wire.ControlResult) error {
	if !res.Truncated {
		return nil
	}
	return cloud.Errorf(cloud.TooLarge, "the control script %s of project %s answered more than %d bytes", sr.script, sr.project.Name, cloud.MaxControlStdout)
}

// defaults reads what a script for defaults answered.
func (sr *scriptRun) defaults(text string) ([]cloud.KeyValue, error) {
	list, err := cloud.ParseConfigCSV(text)
	if err != nil {
		return nil, cloud.Errorf(cloud.Unavailable, "the control script %s of project %s: %s", sr.script, sr.project.Name, cloud.UserMessage(err))
	}
	return list, nil
}

// defaultsOf are the defaults of a kind of configuration: those of the application
// depend on the effective configuration of the deployment.
func (c *Control) defaultsOf(ctx context.Context, p *cloud.Project, script cloud.ControlScript, config []cloud.KeyValue) ([]cloud.KeyValue, error) {
	run := scriptRun{project: p, script: script, config: config}
	text, err := c.answerOf(ctx, run)
	if err != nil {
		return nil, err
	}
	return run.defaults(text)
}

// effective is what scripts are given for the overrides.
func (c *Control) effective(ctx context.Context, p *cloud.Project, application, deployment cloud.Overrides) (app, dep []cloud.KeyValue, err error) {
	base, err := c.defaultsOf(ctx, p, cloud.ScriptDeploymentConfig, nil)
	if err != nil {
		return nil, nil, err
	}
	dep = cloud.Merge(base, deployment)
	if base, err = c.defaultsOf(ctx, p, cloud.ScriptAppConfig, dep); err != nil {
		return nil, nil, err
	}
	return cloud.Merge(base, application), dep, nil
}

// ProjectDefaults returns the defaults and key hints of a project, those of the
// application for a deployment with the overrides: those only who may make such a
// deployment can try, since scripts act on them with the project's secrets.
func (c *Control) ProjectDefaults(ctx context.Context, r *Request, ref ProjectRef, deployment cloud.Overrides) (*Defaults, error) {
	var p *cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if p, err = findProject(tx, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, projectTarget(p), ref.String())
	})
	if err != nil {
		return nil, err
	}
	deployment = deployment.Clean()
	if err := deployment.Validate("deployment"); err != nil {
		return nil, err
	}
	c.seal(p.ID, deployment, nil)
	var d Defaults
	if d.Deployment, err = c.defaultsOf(ctx, p, cloud.ScriptDeploymentConfig, nil); err != nil {
		return nil, err
	}
	dep := cloud.Merge(d.Deployment, deployment)
	if !slices.Equal(dep, cloud.Merge(d.Deployment, nil)) {
		if err := r.allow(authz.Create, target{kind: cloud.KindDeployment, name: "with these overrides", account: p.AccountID, project: p.ID}); err != nil {
			return nil, err
		}
	}
	if d.Application, err = c.defaultsOf(ctx, p, cloud.ScriptAppConfig, dep); err != nil {
		return nil, err
	}
	keys, err := c.answerOf(ctx, scriptRun{project: p, script: cloud.ScriptDeploymentKeys})
	if err != nil {
		return nil, err
	}
	d.DeploymentKeys = cloud.ParseKeys(keys)
	if keys, err = c.answerOf(ctx, scriptRun{project: p, script: cloud.ScriptAppKeys, config: dep}); err != nil {
		return nil, err
	}
	d.ApplicationKeys = cloud.ParseKeys(keys)
	return &d, nil
}
