package control

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func deploymentTarget(d *cloud.Deployment) target {
	return target{kind: cloud.KindDeployment, name: d.Name, account: d.AccountID, project: d.ProjectID}
}

func deploymentSubject(d *cloud.Deployment) subject {
	return subject{kind: cloud.KindDeployment, id: string(d.ID), name: d.Name, account: d.AccountID, project: d.ProjectID}
}

// DeploymentRef names a deployment: by id, or by name in a project (id, or name in
// an account).
type DeploymentRef struct{ Account, Project, Deployment string }

func (r DeploymentRef) project() ProjectRef { return ProjectRef{r.Account, r.Project} }

// String is the deployment as the caller named it.
func (r DeploymentRef) String() string {
	if cloud.IsID(r.Deployment) {
		return r.Deployment
	}
	return r.Deployment + " in project " + r.project().String()
}

func findDeployment(tx *store.Tx, ref DeploymentRef) (*cloud.Deployment, error) {
	if cloud.IsID(ref.Deployment) {
		return tx.Deployment(cloud.DeploymentID(ref.Deployment))
	}
	if ref.Project == "" {
		return nil, cloud.FieldErrorf("project", "is required to find deployment %q by its name; or give its id", ref.Deployment)
	}
	p, err := findProject(tx, ref.project())
	var d *cloud.Deployment
	if err == nil {
		d, err = tx.DeploymentNamed(p.ID, ref.Deployment)
	}
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindDeployment, ref)
	}
	return d, err
}

// Deployment returns the deployment if the caller may see it.
func (c *Control) Deployment(ctx context.Context, r *Request, ref DeploymentRef) (*cloud.Deployment, error) {
	var d *cloud.Deployment
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if d, err = findDeployment(tx, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, deploymentTarget(d), ref.String())
	})
	return masked(d), err
}

// masked is the deployment for people: without what is secret.
func masked(d *cloud.Deployment) *cloud.Deployment {
	if d == nil {
		return nil
	}
	public := *d
	for _, list := range []*cloud.Overrides{&public.Application, &public.Deployment} {
		*list = slices.Clone(*list)
		for i := range *list {
			if (*list)[i].Secret {
				(*list)[i].Value = cloud.SecretMask
			}
		}
	}
	public.EffectiveApplication, public.EffectiveDeployment = maskedValues(d.EffectiveApplication), maskedValues(d.EffectiveDeployment)
	return &public
}

func maskedValues(list []cloud.KeyValue) []cloud.KeyValue {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Secret {
			list[i].Value = cloud.SecretMask
		}
	}
	return list
}

// Deployments returns a page of the deployments that the caller may see.
func (c *Control) Deployments(ctx context.Context, r *Request, q store.Query) (list []cloud.Deployment, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Deployments(r.query(cloud.KindDeployment, q))
		return err
	})
	for i := range list {
		list[i] = *masked(&list[i])
	}
	return list, next, err
}

// deploymentFor finds the deployment for a change.
func (ch *change) deploymentFor(a authz.Action, ref DeploymentRef) (*cloud.Deployment, *cloud.Project, error) {
	d, err := findDeployment(ch.Tx, ref)
	if err != nil {
		return nil, nil, err
	}
	if err := ch.r.permit(a, deploymentTarget(d), ref.String()); err != nil {
		return nil, nil, err
	}
	if _, err := ch.active(d.AccountID); err != nil {
		return nil, nil, err
	}
	p, err := ch.Tx.Project(d.ProjectID)
	if err != nil {
		return nil, nil, err
	}
	return d, p, ch.match(cloud.KindDeployment, d.Name, d.Version)
}

// NewDeployment is what a deployment is made from.
type NewDeployment struct {
	Account, Project, Name  string
	Application, Deployment cloud.Overrides // plain
	Labels                  map[string]string
	Comment                 string
	TTL                     *time.Duration // nil takes the project's
}

// deployInput is the input of an operation on a deployment. Secrets in it are sealed.
type deployInput struct {
	// From is the state before the operation.
	From cloud.DeploymentState `json:"from,omitempty"`
	// After is an older operation that this one waits for.
	After cloud.OperationID `json:"after,omitempty"`
	// Waited says that the update waited for its turn: it is checked again.
	Waited bool `json:"waited,omitempty"`
	Force  bool `json:"force,omitempty"`
	// What an update makes of the deployment.
	Application          cloud.Overrides  `json:"application,omitempty"`
	Deployment           cloud.Overrides  `json:"deployment,omitempty"`
	EffectiveApplication []cloud.KeyValue `json:"effective_application,omitempty"`
	EffectiveDeployment  []cloud.KeyValue `json:"effective_deployment,omitempty"`
}

// publicDeployInput is the input without secrets, which are sealed in it.
func publicDeployInput(input json.RawMessage) json.RawMessage {
	var in deployInput
	if len(input) == 0 || json.Unmarshal(input, &in) != nil {
		return nil
	}
	public := masked(&cloud.Deployment{
		Application: in.Application, Deployment: in.Deployment, EffectiveApplication: in.EffectiveApplication, EffectiveDeployment: in.EffectiveDeployment,
	})
	in.Application, in.Deployment = public.Application, public.Deployment
	in.EffectiveApplication, in.EffectiveDeployment = public.EffectiveApplication, public.EffectiveDeployment
	out, _ := json.Marshal(in) // what was read can be written
	return out
}

// CreateDeployment checks the configuration by the project's own script, whose text
// is the error of one that does not hold, and starts the creation.
func (c *Control) CreateDeployment(ctx context.Context, r *Request, in NewDeployment) (*cloud.Deployment, *cloud.Operation, error) {
	d := &cloud.Deployment{
		ID: cloud.NewID[cloud.DeploymentID](), Name: in.Name, State: cloud.DeploymentCreatePending, Verb: cloud.VerbCreate,
		Application: in.Application.Clean(), Deployment: in.Deployment.Clean(), Labels: in.Labels, Comment: in.Comment,
		OwnerID: r.User.ID, OwnerName: r.User.Name,
	}
	if err := d.Validate(); err != nil {
		return nil, nil, err
	}
	ref := ProjectRef{in.Account, in.Project}
	var p *cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		p, err = c.mayCreate(tx, r, ref, d)
		return err
	})
	if err == nil {
		c.seal(p.ID, d.Application, nil)
		c.seal(p.ID, d.Deployment, nil)
		err = c.gate(ctx, p, d)
	}
	if err != nil {
		return nil, nil, err
	}
	var o *cloud.Operation
	err = c.change(ctx, r, "deployment.create", func(ch *change) error {
		if p, err = c.mayCreate(ch.Tx, r, ref, d); err != nil {
			return err
		}
		if _, err := ch.active(p.AccountID); err != nil {
			return err
		}
		if err := ch.LockProject(p.ID); err != nil {
			return err
		}
		if d.TTL = p.DefaultTTL; in.TTL != nil {
			d.TTL = *in.TTL
		}
		if err := d.Validate(); err != nil {
			return err
		}
		o, err = ch.createDeployment(p, d)
		return err
	})
	return masked(d), shown(o), err
}

// mayCreate returns the project if the caller may make the deployment in it now.
func (c *Control) mayCreate(tx *store.Tx, r *Request, ref ProjectRef, d *cloud.Deployment) (*cloud.Project, error) {
	p, err := findProject(tx, ref)
	if err != nil {
		return nil, err
	}
	if err := r.allow(authz.Create, target{kind: cloud.KindDeployment, name: d.Name, account: p.AccountID, project: p.ID}); err != nil {
		return nil, hideIn(err, r, projectTarget(p), ref.String())
	}
	d.AccountID, d.ProjectID = p.AccountID, p.ID
	if host := d.Name + "." + p.BaseDomain; slices.Contains(c.ownHosts(), host) { // of a project from before that was refused
		return nil, cloud.FieldErrorf("name", "deployment %s would be reached as %s, where Atoll itself is; choose another name", d.Name, host)
	}
	_, err = tx.DeploymentNamed(p.ID, d.Name)
	switch {
	case err == nil:
		return nil, cloud.FieldErrorf("name", "deployment %s exists already in project %s; update it, or choose another name", d.Name, p.Name)
	case !cloud.Is(err, cloud.NotFound):
		return nil, err
	}
	return p, nil
}

// gate computes what the deployment's scripts would be given and has the project's
// config_check judge it. Secrets of d are sealed.
func (c *Control) gate(ctx context.Context, p *cloud.Project, d *cloud.Deployment) (err error) {
	if d.EffectiveApplication, d.EffectiveDeployment, err = c.effective(ctx, p, d.Application, d.Deployment); err != nil {
		return err
	}
	run := scriptOf(p, d, cloud.ScriptConfigCheck)
	run.timeout = min(cloud.ConfigCheckTimeout, p.ScriptTimeout)
	res, err := c.ask(ctx, run)
	if err != nil {
		return err
	}
	return configRefused(res.ExitCode, res.Stdout)
}

// configRefused is what config_check says against a configuration, as it says it.
func configRefused(exit int, text string) error {
	if exit == 0 {
		return nil
	}
	if text == "" {
		text = "the project's config_check refuses this configuration, and does not say why"
	}
	return cloud.Errorf(cloud.Invalid, "%s", text)
}

// seal seals the values of secret overrides but those that are kept from old. What
// somebody wrote is plain text even if it looks sealed: people see sealed values of
// others in jobs, and must not have them opened.
func (c *Control) seal(p cloud.ProjectID, list, old cloud.Overrides) {
	for i := range list {
		if list[i].Secret && !slices.Contains(old, list[i]) {
			list[i].Value = c.inst.values.Seal(list[i].Value, secretPlace(p))
		}
	}
}

// createDeployment writes row, ledger, event, log and operation.
func (ch *change) createDeployment(p *cloud.Project, d *cloud.Deployment) (*cloud.Operation, error) {
	now, err := ch.Now()
	if err != nil {
		return nil, err
	}
	o := deploymentOperation(cloud.VerbCreate, d)
	d.OperationID, d.StatusAt = o.ID, now
	if d.TTL != 0 {
		d.ExpiresAt = now.Add(d.TTL)
	}
	if err := ch.countDeployment(d, true, o.ID); err != nil {
		return nil, err
	}
	if err := ch.Tx.CreateDeployment(d); err != nil {
		return nil, err
	}
	return ch.operate(p, o, d, deployInput{}, nil)
}

// operate starts the operation with its event and its entry in the log. before is
// the deployment as it was, nil if it is new.
func (ch *change) operate(p *cloud.Project, o *cloud.Operation, d *cloud.Deployment, in deployInput, before *cloud.Deployment) (*cloud.Operation, error) {
	var err error
	if o.Input, err = json.Marshal(in); err != nil {
		return nil, err
	}
	after := *d
	if o.Kind == opUpdate && in.Waited {
		after.Application, after.Deployment = in.Application, in.Deployment
		after.EffectiveApplication, after.EffectiveDeployment = in.EffectiveApplication, in.EffectiveDeployment
	}
	if err := ch.logAction(p, o, before, &after, in); err != nil {
		return nil, err
	}
	if err := ch.event(o.Kind, deploymentSubject(d), before, &after); err != nil {
		return nil, err
	}
	if before != nil && before.State != d.State {
		if err := ch.c.changed(ch.Tx, p, before, d); err != nil {
			return nil, err
		}
	}
	return ch.start(o)
}

func deploymentOperation(verb cloud.DeploymentVerb, d *cloud.Deployment) *cloud.Operation {
	return &cloud.Operation{
		ID: cloud.NewID[cloud.OperationID](), Kind: "deployment." + string(verb), AccountID: d.AccountID, ProjectID: d.ProjectID,
		SubjectKind: cloud.KindDeployment, SubjectID: string(d.ID), SubjectName: d.Name,
	}
}

// countDeployment makes the ledger say whether the deployment is one that is not
// archived: it posts the difference to what its entries say.
func (ch *change) countDeployment(d *cloud.Deployment, counts bool, o cloud.OperationID) error {
	what, err := deploymentAmounts(ch.Tx, d, counts)
	if err != nil {
		return err
	}
	return ch.post(deploymentPosting(d, o), what)
}

func deploymentPosting(d *cloud.Deployment, o cloud.OperationID) posting {
	return posting{
		account: d.AccountID, project: d.ProjectID, subjectKind: cloud.KindDeployment, subjectID: string(d.ID), operation: o, reason: string(d.Verb),
	}
}

func deploymentAmounts(tx *store.Tx, d *cloud.Deployment, counts bool) (amounts, error) {
	entries, err := tx.Entries(string(d.ID))
	if err != nil {
		return nil, err
	}
	var has, want int64
	for _, e := range entries {
		if e.Scope.Kind == cloud.KindProject {
			has += e.Delta
		}
	}
	if counts {
		want = 1
	}
	return amounts{cloud.ResourceDeployments: want - has}, nil
}

// DeploymentChange is what an update may set; nil keeps. Overrides are replaced as a
// whole, or changed one by one.
type DeploymentChange struct {
	Comment                 *string
	Labels                  *map[string]string
	TTL                     *time.Duration
	Owner                   *string
	Application, Deployment ConfigChange
}

// ConfigChange changes overrides.
type ConfigChange struct {
	Replace *cloud.Overrides
	Set     cloud.Overrides // added, or in the place of those of the same key
	Unset   []string        // keys of overrides that end: the default holds again
}

func (in *ConfigChange) empty() bool {
	return in.Replace == nil && len(in.Set) == 0 && len(in.Unset) == 0
}

// apply returns the overrides after the change. A secret without a value keeps the
// one that its key has.
func (in *ConfigChange) apply(field string, o cloud.Overrides) (cloud.Overrides, error) {
	old := o
	if in.Replace != nil {
		o = in.Replace.Clean()
	}
	for _, key := range in.Unset {
		var had bool
		if o, had = o.Without(cloud.ParseKey(key)); !had {
			return nil, cloud.FieldErrorf(field, "%q is no override of this deployment; to take a default away, set it as deleted", key)
		}
	}
	for _, v := range in.Set.Clean() {
		o = o.Set(v)
	}
	o = o.Clean()
	for i := range o {
		if v := &o[i]; v.Secret && (v.Value == "" || v.Value == cloud.SecretMask) {
			at := slices.IndexFunc(old, func(w cloud.Override) bool { return w.Key == v.Key && w.Secret })
			if at < 0 {
				return nil, cloud.FieldErrorf(field, "%q is secret and has no value", v.Key)
			}
			v.Value = old[at].Value
		}
	}
	return o, o.Validate(field)
}

// UpdateDeployment changes words at once, and the configuration by an operation (nil
// if none was needed). While another operation changes the deployment, one update
// waits for its turn, and a newer one takes its place.
func (c *Control) UpdateDeployment(ctx context.Context, r *Request, ref DeploymentRef, in DeploymentChange) (*cloud.Deployment, *cloud.Operation, error) {
	next, base, err := c.planUpdate(ctx, r, ref, in)
	if err != nil {
		return nil, nil, err
	}
	var d *cloud.Deployment
	var o *cloud.Operation
	err = c.change(ctx, r, opUpdate, func(ch *change) error {
		var p *cloud.Project
		if d, p, err = ch.deploymentFor(authz.Update, ref); err != nil {
			return err
		}
		if next != nil {
			if err := ch.unchanged(d, base); err != nil {
				return err
			}
		}
		before := *d
		if err := ch.describe(d, in); err != nil {
			return err
		}
		if next != nil {
			o, err = ch.reconfigure(p, d, &before, next)
			return err
		}
		if err := ch.Tx.UpdateDeployment(d); err != nil {
			return err
		}
		return ch.event(opUpdate, deploymentSubject(d), &before, d)
	})
	return masked(d), shown(o), err
}

// unchanged refuses an update whose base another one changed while it was checked.
func (ch *change) unchanged(d, base *cloud.Deployment) error {
	now, err := wanted(ch.Tx, d)
	if err != nil {
		return err
	}
	if !slices.Equal(now.Application, base.Application) || !slices.Equal(now.Deployment, base.Deployment) {
		return cloud.Errorf(cloud.Conflict, "the configuration of deployment %s was changed by somebody else at the same time; look at it, and try again", d.Name)
	}
	return nil
}

// describe sets what no script needs to know.
func (ch *change) describe(d *cloud.Deployment, in DeploymentChange) error {
	set(&d.Comment, in.Comment)
	set(&d.Labels, in.Labels)
	if in.Owner != nil {
		u, err := findUser(ch.Tx, *in.Owner)
		if err != nil {
			return err
		}
		d.OwnerID, d.OwnerName = u.ID, u.Name
	}
	if in.TTL != nil {
		now, err := ch.Now()
		if err != nil {
			return err
		}
		d.TTL, d.ExpiresAt, d.WarnedAt = *in.TTL, 0, 0
		if d.TTL != 0 && d.State != cloud.DeploymentArchived {
			d.ExpiresAt = now.Add(d.TTL)
		}
	}
	return d.Validate()
}

// planUpdate checks a new configuration, outside of any transaction since a script
// judges it. It returns what the update makes of the deployment, nil if nothing, and
// what it is made from.
func (c *Control) planUpdate(ctx context.Context, r *Request, ref DeploymentRef, in DeploymentChange) (next, base *cloud.Deployment, err error) {
	if in.Application.empty() && in.Deployment.empty() {
		return nil, nil, nil
	}
	var p *cloud.Project
	err = c.view(ctx, func(tx *store.Tx) error {
		d, err := findDeployment(tx, ref)
		if err != nil {
			return err
		}
		if err := r.permit(authz.Update, deploymentTarget(d), ref.String()); err != nil {
			return err
		}
		if p, err = tx.Project(d.ProjectID); err != nil {
			return err
		}
		if err := (&change{Tx: tx, c: c, r: r}).match(cloud.KindDeployment, d.Name, d.Version); err != nil {
			return err
		}
		if err := updatable(d); err != nil {
			return err
		}
		base, err = wanted(tx, d)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	after := *base
	if after.Application, err = in.Application.apply("application", base.Application); err != nil {
		return nil, nil, err
	}
	if after.Deployment, err = in.Deployment.apply("deployment", base.Deployment); err != nil {
		return nil, nil, err
	}
	c.seal(p.ID, after.Application, base.Application)
	c.seal(p.ID, after.Deployment, base.Deployment)
	return &after, base, c.gate(ctx, p, &after)
}

// updatable refuses an update that could never have its turn.
func updatable(d *cloud.Deployment) error {
	switch d.State {
	case cloud.DeploymentArchived:
		return cloud.StateErrorf(string(d.State), "deployment %s is archived; restore it first", d.Name)
	case cloud.DeploymentDeletePending:
		return cloud.StateErrorf(string(d.State), "deployment %s is %s (%s is under way)", d.Name, d.State, d.Verb)
	}
	return nil
}

// wanted is a copy of the deployment as the update that waits will make it, if one
// does: the next change is one of that.
func wanted(tx *store.Tx, d *cloud.Deployment) (*cloud.Deployment, error) {
	next := *d
	if d.WaitingID == "" {
		return &next, nil
	}
	o, err := tx.Operation(d.WaitingID)
	if err != nil || !o.State.Live() {
		return &next, err
	}
	var in deployInput
	if err := json.Unmarshal(o.Input, &in); err != nil {
		return nil, err
	}
	next.Application, next.Deployment = in.Application, in.Deployment
	return &next, nil
}

// reconfigure starts the update, or has it wait.
func (ch *change) reconfigure(p *cloud.Project, d, before, next *cloud.Deployment) (*cloud.Operation, error) {
	if err := updatable(d); err != nil {
		return nil, err
	}
	var err error
	if ch.plan.Application, ch.plan.Deployment, err = ch.c.diff(p.ID, d, next); err != nil {
		return nil, err
	}
	o := deploymentOperation(cloud.VerbUpdate, d)
	in := deployInput{
		From: d.State, Application: next.Application, Deployment: next.Deployment,
		EffectiveApplication: next.EffectiveApplication, EffectiveDeployment: next.EffectiveDeployment,
	}
	if d.WaitingID != "" {
		if _, err := ch.supersede(d.WaitingID); err != nil {
			return nil, err
		}
	}
	if d.State.Transitional() || d.WaitingID != "" {
		in.After, in.Waited = d.OperationID, true
		d.WaitingID = o.ID
		if err := ch.Tx.UpdateDeployment(d); err != nil {
			return nil, err
		}
		return ch.operate(p, o, d, in, before)
	}
	now, err := ch.Now()
	if err != nil {
		return nil, err
	}
	begin(d, o, in, now)
	if err := ch.Tx.UpdateDeployment(d); err != nil {
		return nil, err
	}
	return ch.operate(p, o, d, in, before)
}

// begin makes the deployment one that is being updated.
func begin(d *cloud.Deployment, o *cloud.Operation, in deployInput, now cloud.Time) {
	d.Application, d.Deployment = in.Application, in.Deployment
	d.EffectiveApplication, d.EffectiveDeployment = in.EffectiveApplication, in.EffectiveDeployment
	pend(d, cloud.DeploymentUpdatePending, cloud.VerbUpdate, o.ID, now)
}

// pend puts the deployment into a pending state, under the operation.
func pend(d *cloud.Deployment, to cloud.DeploymentState, verb cloud.DeploymentVerb, o cloud.OperationID, now cloud.Time) {
	d.State, d.Verb, d.OperationID, d.StatusAt = to, verb, o, now
	d.Reason, d.Message, d.Script, d.ExitCode, d.CheckError = "", "", "", 0, ""
}
