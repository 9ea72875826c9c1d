package rest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/octopod"
)

// octopodStatus is the deployment's state in the original's words.
func octopodStatus(d *cloud.Deployment) octopod.Status {
	return octopod.Status{Pending: d.State.Transitional(), Recorded: octopod.Recorded(cloud.OctopodStatus(d))}
}

func octopodOverrides(list cloud.Overrides) octopod.Overrides {
	out := make(octopod.Overrides, 0, len(list))
	for _, o := range list {
		out = append(out, octopod.Override{Key: o.Key, Value: o.Value, Deleted: o.Deleted})
	}
	return out
}

// fromOctopod are the overrides that a client of the original sends, which knows of
// no secrets: what is secret stays so, and its mask stands for the value it has.
func fromOctopod(list octopod.Overrides, now cloud.Overrides) cloud.Overrides {
	out := make(cloud.Overrides, 0, len(list))
	for _, o := range list {
		v := cloud.Override{Key: o.Key, Value: o.Value, Deleted: o.Deleted}
		key := cloud.ParseKey(o.Key)
		v.Secret = !o.Deleted && slices.ContainsFunc(now, func(w cloud.Override) bool { return w.Secret && w.Key == key })
		out = append(out, v)
	}
	return out
}

func octopodDeployment(d *cloud.Deployment) octopod.Deployment {
	return octopod.Deployment{Name: d.Name, AppOverrides: octopodOverrides(d.Application), DeploymentOverrides: octopodOverrides(d.Deployment)}
}

func octopodLinks(d *cloud.Deployment) []octopod.Link {
	out := make([]octopod.Link, 0, len(d.Links))
	for _, l := range d.Links {
		out = append(out, octopod.Link{Name: l.Name, Link: l.URL})
	}
	return out
}

func octopodFullInfo(d *cloud.Deployment) octopod.FullInfo {
	return octopod.FullInfo{
		Deployment: octopodDeployment(d), Status: octopodStatus(d), Metadata: octopodLinks(d),
		CreatedAt: d.CreatedAt.Time(), UpdatedAt: d.UpdatedAt.Time(),
	}
}

// all collects the pages of a list.
func all[T any](list func(control.Query) ([]T, string, error), filter ...string) ([]T, error) {
	var out []T
	for q := (control.Query{Limit: 1000, Filter: filter}); ; {
		page, next, err := list(q)
		if out = append(out, page...); err != nil || next == "" {
			return out, err
		}
		q.Cursor = next
	}
}

func (c *octopodCall) list() error {
	list, err := all(func(q control.Query) ([]cloud.Deployment, string, error) {
		return c.control.Deployments(c.ctx, c.request, q)
	}, "project="+string(c.project.ID))
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b cloud.Deployment) int { return cmp.Compare(b.UpdatedAt, a.UpdatedAt) })
	out := make([]octopod.FullInfo, 0, len(list))
	for i := range list {
		out = append(out, octopodFullInfo(&list[i]))
	}
	return c.write(http.StatusOK, out)
}

func (c *octopodCall) create() error {
	var in octopod.Deployment
	if err := c.read(&in); err != nil {
		return err
	}
	c.name = in.Name
	badName := func(text string) error {
		return &octopodError{http.StatusBadRequest, octopod.CommandResponse{Tag: octopod.ValidationError, NameField: []string{text}}}
	}
	if err := cloud.ValidateName(cloud.KindDeployment, in.Name); err != nil {
		return badName(cloud.UserMessage(err))
	}
	_, _, err := c.control.CreateDeployment(c.ctx, c.request, control.NewDeployment{
		Project: string(c.project.ID), Name: in.Name,
		Application: fromOctopod(in.AppOverrides, nil), Deployment: fromOctopod(in.DeploymentOverrides, nil),
	})
	if e := new(cloud.Error); errors.As(err, &e) && e.Kind == cloud.Invalid && e.Field == "name" { // its form is good
		return badName("Deployment already exists")
	}
	return c.done(err, "")
}

func (c *octopodCall) update() error {
	var in octopod.Update
	if err := c.read(&in); err != nil {
		return err
	}
	change := Versioned{IfMatch: c.r.Header.Get("If-Match")}
	if err := change.apply(c.request); err != nil {
		return c.deploymentError(err, "")
	}
	now, err := c.control.Deployment(c.ctx, c.request, c.ref())
	if err != nil {
		return c.deploymentError(err, "")
	}
	app, dep := fromOctopod(in.AppOverrides, now.Application), fromOctopod(in.DeploymentOverrides, now.Deployment)
	_, _, err = c.control.UpdateDeployment(c.ctx, c.request, c.ref(), control.DeploymentChange{
		Application: control.ConfigChange{Replace: &app}, Deployment: control.ConfigChange{Replace: &dep},
	})
	return c.done(err, octopod.UpdatePending)
}

func (c *octopodCall) archive() error {
	_, _, err := c.control.ArchiveDeployment(c.ctx, c.request, c.ref())
	return c.done(err, octopod.ArchivePending)
}

func (c *octopodCall) restore() error {
	_, _, err := c.control.RestoreDeployment(c.ctx, c.request, c.ref())
	return c.done(err, octopod.CreatePending)
}

func (c *octopodCall) cleanup() error {
	_, _, err := c.control.CleanupDeployment(c.ctx, c.request, c.ref(), false)
	return c.done(err, "")
}

// remove forgets the deployment and runs none of its scripts.
func (c *octopodCall) remove() error {
	_, _, err := c.control.DeleteDeployment(c.ctx, c.request, c.ref(), true)
	return c.done(err, "")
}

func (c *octopodCall) fullInfo() error {
	d, err := c.control.Deployment(c.ctx, c.request, c.ref())
	if cloud.Is(err, cloud.NotFound) {
		return &octopodError{http.StatusNotFound, octopod.CommandResponse{Tag: octopod.ValidationError, NameField: []string{"Name not found"}}}
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", etag(d.Meta)) // for clients that know versions; the original's does not
	return c.write(http.StatusOK, octopodFullInfo(d))
}

func (c *octopodCall) info() error {
	d, err := c.control.Deployment(c.ctx, c.request, c.ref())
	if err != nil {
		return c.deploymentError(err, "")
	}
	actions, err := all(func(q control.Query) ([]cloud.Action, string, error) {
		return c.control.Actions(c.ctx, c.request, q)
	}, "deployment="+string(d.ID))
	if err != nil {
		return err
	}
	logs := make([]octopod.Log, 0, len(actions))
	for _, a := range slices.Backward(actions) {
		if l, ok := octopodLog(&a); ok {
			logs = append(logs, l)
		}
	}
	return c.write(http.StatusOK, []octopod.Info{{Deployment: octopodDeployment(d), Metadata: octopodLinks(d), Logs: logs}})
}

// octopodActions are the original's words for what was done; it knows no others.
var octopodActions = map[cloud.DeploymentVerb]octopod.Action{
	cloud.VerbCreate: octopod.CreateAction, cloud.VerbUpdate: octopod.UpdateAction, cloud.VerbArchive: octopod.ArchiveAction,
	cloud.VerbRestore: octopod.RestoreAction, cloud.VerbCleanup: octopod.CleanupAction, cloud.VerbDelete: octopod.CleanupAction,
}

// octopodLog is the entry in the original's words, if it has ended and has any.
func octopodLog(a *cloud.Action) (octopod.Log, bool) {
	action, ok := octopodActions[a.Verb]
	if !ok || a.FinishedAt == 0 {
		return octopod.Log{}, false
	}
	var was struct{ Application, Deployment cloud.Overrides }
	if len(a.Overrides) > 0 && json.Unmarshal(a.Overrides, &was) != nil {
		was.Application, was.Deployment = nil, nil
	}
	l := octopod.Log{
		ActionID: a.ID.Number(), Action: action, ExitCode: a.ExitCode, Duration: octopod.Duration(a.FinishedAt.Sub(a.StartedAt)), CreatedAt: a.StartedAt.Time(),
		AppOverrides: octopodOverrides(was.Application), DeploymentOverrides: octopodOverrides(was.Deployment),
	}
	if a.Outcome != cloud.ActionSucceeded && l.ExitCode == 0 {
		l.ExitCode = 1 // no script said no, but it failed
	}
	return l, true
}

func (c *octopodCall) status() error {
	reason, err := c.control.CheckDeployment(c.ctx, c.request, c.ref())
	if err != nil {
		return c.deploymentError(err, "")
	}
	out := octopod.CurrentStatus{Status: "Ok"}
	if reason != "" {
		out.Status = "Error"
	}
	return c.write(http.StatusOK, out)
}

func (c *octopodCall) log() error {
	missing := &octopodError{http.StatusBadRequest, octopod.CommandResponse{Tag: octopod.AppError, ErrorMessage: "Action not found"}}
	n, err := strconv.ParseInt(c.r.PathValue("action"), 10, 64)
	if err != nil {
		return missing
	}
	a, err := c.control.ActionNumbered(c.ctx, c.request, c.project.ID, n)
	if cloud.Is(err, cloud.NotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	var out octopod.ActionInfo
	var kept struct{ Stdout, Stderr string } // of an imported action
	if json.Unmarshal(a.Overrides, &kept) == nil {
		out.Stdout.Text, out.Stderr.Text = kept.Stdout, kept.Stderr
	}
	if a.JobID != "" {
		var b bytes.Buffer
		if err := c.control.JobLog(c.ctx, c.request, a.JobID, 0, false, &b); err != nil && !cloud.Is(err, cloud.NotFound) {
			return err
		}
		out.Stdout.Text, out.Stderr.Text = plainLog(&b)
	}
	return c.write(http.StatusOK, out)
}

// plainLog is the text of the lines of a job's output. What was kept before the two
// were told apart is all standard output.
func plainLog(b *bytes.Buffer) (stdout, stderr string) {
	var out, errs strings.Builder
	rd := bufio.NewReader(b)
	for {
		line, err := rd.ReadBytes('\n')
		var l struct {
			Text   string `json:"text"`
			Stream string `json:"stream"`
		}
		if json.Unmarshal(line, &l) == nil {
			to := &out
			if l.Stream == cloud.StreamStderr {
				to = &errs
			}
			to.WriteString(l.Text + "\n")
		}
		if err != nil {
			return out.String(), errs.String()
		}
	}
}

func (c *octopodCall) ping() error {
	c.text(http.StatusOK, c.Version)
	return nil
}

func (c *octopodCall) projectName() error { return c.write(http.StatusOK, c.project.Name) }

// defaults are those for a deployment with the effective configuration.
func (c *octopodCall) defaults(effective []octopod.KeyValue) (*control.Defaults, error) {
	ref := control.ProjectRef{Project: string(c.project.ID)}
	d, err := c.control.ProjectDefaults(c.ctx, c.request, ref, nil)
	if err != nil || effective == nil {
		return d, err
	}
	var over cloud.Overrides
	for _, kv := range effective {
		over = append(over, cloud.Override{Key: kv.Key, Value: kv.Value})
	}
	for _, kv := range d.Deployment { // what is not there is deleted
		if !slices.ContainsFunc(over, func(o cloud.Override) bool { return cloud.ParseKey(o.Key) == cloud.ParseKey(kv.Key) }) {
			over = append(over, cloud.Override{Key: kv.Key, Deleted: true})
		}
	}
	return c.control.ProjectDefaults(c.ctx, c.request, ref, over)
}

func (c *octopodCall) deploymentKeys() error {
	d, err := c.defaults(nil)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, d.DeploymentKeys)
}

func (c *octopodCall) deploymentDefaults() error {
	d, err := c.defaults(nil)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, octopodPairs(d.Deployment))
}

func (c *octopodCall) applicationKeys() error {
	effective := []octopod.KeyValue{}
	if err := c.read(&effective); err != nil {
		return err
	}
	d, err := c.defaults(effective)
	if err != nil {
		return c.deploymentError(err, "")
	}
	return c.write(http.StatusOK, d.ApplicationKeys)
}

func (c *octopodCall) applicationDefaults() error {
	effective := []octopod.KeyValue{}
	if err := c.read(&effective); err != nil {
		return err
	}
	d, err := c.defaults(effective)
	if err != nil {
		return c.deploymentError(err, "")
	}
	return c.write(http.StatusOK, octopodPairs(d.Application))
}

func octopodPairs(list []cloud.KeyValue) []octopod.KeyValue {
	out := make([]octopod.KeyValue, 0, len(list))
	for _, kv := range list {
		out = append(out, octopod.KeyValue{Key: kv.Key, Value: kv.Value})
	}
	return out
}
