package store

import (
	"strings"

	"atoll/internal/cloud"
)

var deployments = table[cloud.Deployment]{
	kind: cloud.KindDeployment, name: "deployments",
	cols: append([]string{"id", "account_id", "project_id", "name", "state", "reason", "message", "script", "exit_code", "verb", "operation_id", "waiting_id", "application", "deployment", "effective_application", "effective_deployment", "links", "labels", "owner_id", "owner_name", "comment", "search", "runner_id", "ttl", "expires_at", "warned_at", "deployed_at", "archived_at", "status_at", "checked_at", "check_at", "check_job_id", "check_error", "used_at", "idle_warned_at"}, metaCols...),
	ptrs: func(v *cloud.Deployment) []any {
		search := searchText(v) // written with the row, and of no use to who reads it
		return append([]any{
			&v.ID, &v.AccountID, &v.ProjectID, &v.Name, &v.State, &v.Reason, &v.Message, &v.Script, &v.ExitCode, &v.Verb, &v.OperationID, &v.WaitingID,
			asJSON{&v.Application},
			asJSON{&v.Deployment},
			asJSON{&v.EffectiveApplication},
			asJSON{&v.EffectiveDeployment},
			asJSON{&v.Links},
			asJSON{&v.Labels},
			&v.OwnerID, &v.OwnerName, &v.Comment, &search, &v.RunnerID, &v.TTL, &v.ExpiresAt, &v.WarnedAt, &v.DeployedAt, &v.ArchivedAt,
			&v.StatusAt, &v.CheckedAt, &v.CheckAt, &v.CheckJobID, &v.CheckError, &v.UsedAt, &v.IdleWarnedAt,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Deployment) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name", "state": "state", "status_at": "status_at"},
	filters: map[string]string{"name": "name", "state": "state", "account": "account_id", "project": "project_id", "owner": "owner_id", "search": "search"},
	account: "account_id",
	project: "project_id",
}

// searchText is what the filter search~ looks through: no value of a secret.
func searchText(v *cloud.Deployment) string {
	var b strings.Builder
	add := func(texts ...string) {
		for _, t := range texts {
			b.WriteString(t)
			b.WriteByte('\n')
		}
	}
	add(v.Name, v.OwnerName, v.Comment)
	for k, l := range v.Labels {
		add(k + "=" + l)
	}
	for _, list := range []cloud.Overrides{v.Application, v.Deployment} {
		for _, o := range list {
			if o.Secret {
				o.Value = ""
			}
			add(o.Key + "=" + o.Value)
		}
	}
	return strings.ToLower(b.String())
}

// DeploymentText is what a search looks through of a deployment: lines in small letters,
// of which the first is the name.
type DeploymentText struct {
	ID   cloud.DeploymentID
	Text string
}

// DeploymentTexts returns the texts of the deployments that the query's conditions
// leave, without its page and order, up to a limit.
func (tx *Tx) DeploymentTexts(q Query, limit int) (out []DeploymentText, err error) {
	where, args, err := deployments.conditions(tx.d, q)
	if err != nil {
		return nil, err
	}
	err = tx.query(func(scan func(...any) error) error {
		var t DeploymentText
		err := scan(&t.ID, &t.Text)
		out = append(out, t)
		return err
	}, "SELECT id, search FROM deployments WHERE "+strings.Join(where, " AND ")+" LIMIT ?", append(args, limit)...)
	return out, err
}

// DeploymentsByID returns the deployments with the ids that are there, in any order.
func (tx *Tx) DeploymentsByID(ids []cloud.DeploymentID) ([]cloud.Deployment, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return deployments.all(tx, "deleted_at = 0 AND "+in("id", len(ids)), args...)
}

// CreateDeployment writes a new deployment.
func (tx *Tx) CreateDeployment(v *cloud.Deployment) error { return deployments.insert(tx, v) }

// ImportDeployment writes a deployment of another system and its log, which keep the
// times that they have.
func (tx *Tx) ImportDeployment(v *cloud.Deployment, log []cloud.Action) error {
	created, updated := v.CreatedAt, v.UpdatedAt
	if err := deployments.insert(tx, v); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE deployments SET created_at = ?, updated_at = ? WHERE id = ?", created, updated, v.ID); err != nil {
		return err
	}
	for i := range log {
		if err := actions.insert(tx, &log[i]); err != nil {
			return err
		}
		if _, err := tx.exec("UPDATE actions SET created_at = ?, updated_at = ? WHERE id = ?", log[i].StartedAt, log[i].FinishedAt, log[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// Deployment returns the deployment unless it is deleted.
func (tx *Tx) Deployment(id cloud.DeploymentID) (*cloud.Deployment, error) {
	return deployments.live(tx, id)
}

// UpdateDeployment writes the deployment back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateDeployment(v *cloud.Deployment) error { return deployments.update(tx, v) }

// Deployments returns a page of deployments and the cursor of the next one.
func (tx *Tx) Deployments(q Query) ([]cloud.Deployment, string, error) {
	return deployments.list(tx, q)
}

// DeploymentNamed returns the deployment by its name in the project.
func (tx *Tx) DeploymentNamed(project cloud.ProjectID, name string) (*cloud.Deployment, error) {
	return deployments.get(tx, name, "project_id = ? AND name = ? AND deleted_at = 0", project, name)
}

// DeploymentsToCheck returns deployments whose check is due, the longest due first.
func (tx *Tx) DeploymentsToCheck(now cloud.Time, limit int) ([]cloud.Deployment, error) {
	return deployments.all(tx, "deleted_at = 0 AND state IN ('Running', 'Failure') AND check_at <= ? ORDER BY check_at, id LIMIT ?", now, limit)
}

// NextCheck returns when the first of the next checks is due; 0 if none ever is.
func (tx *Tx) NextCheck() (at cloud.Time, err error) {
	err = tx.queryRow("SELECT coalesce(min(check_at), 0) FROM deployments WHERE deleted_at = 0 AND state IN ('Running', 'Failure')").Scan(&at)
	return at, tx.d.translate(err)
}

// ArchivedDeployments returns deployments that were archived longer ago than their
// project keeps them, the oldest first, after the given one. Those whose cleanup
// failed are none of them.
func (tx *Tx) ArchivedDeployments(now, at cloud.Time, after cloud.DeploymentID, limit int) ([]cloud.Deployment, error) {
	return deployments.all(tx, `deleted_at = 0 AND state = 'Archived' AND reason = '' AND (archived_at, id) > (?, ?) AND EXISTS (
		SELECT 1 FROM projects p WHERE p.id = project_id AND p.archive_retention > 0 AND archived_at < ? - p.archive_retention / 1000)
		ORDER BY archived_at, id LIMIT ?`, at, after, now, limit) // a retention is in nanoseconds
}

// ExpiringDeployments returns deployments that are not archived and whose time to
// live ends before the time; unwarned leaves out those of which it was announced.
func (tx *Tx) ExpiringDeployments(before cloud.Time, unwarned bool, limit int) ([]cloud.Deployment, error) {
	return deployments.all(tx, `deleted_at = 0 AND expires_at > 0 AND expires_at <= ? AND state <> 'Archived' AND (warned_at = 0 OR NOT ?)
		ORDER BY expires_at, id LIMIT ?`, before, unwarned, limit)
}

// observedUse is the condition of deployments that run and whose use is seen, in a
// project that archives those that nobody uses; notice is how long before.
const (
	observedUse = `deleted_at = 0 AND state IN ('Running', 'Failure') AND EXISTS (SELECT 1 FROM projects p JOIN bundles b ON b.id = p.bundle_id
		WHERE p.id = deployments.project_id AND p.idle_ttl > 0 AND p.folder = '' AND b.kind = 'builtin:process' AND `
	notice = "(CASE WHEN p.idle_ttl / 4000 < 86400000000 THEN p.idle_ttl / 4000 ELSE 86400000000 END)" // a time to live is in nanoseconds
)

// UnusedDeployments returns deployments that nobody has used for so long that it is to
// be announced that they will be archived: a day before, or when three quarters of a
// short time have passed.
func (tx *Tx) UnusedDeployments(now cloud.Time, limit int) ([]cloud.Deployment, error) {
	const since = " < ? - p.idle_ttl / 1000 + " + notice
	return deployments.all(tx, "idle_warned_at = 0 AND "+observedUse+"deployments.used_at"+since+" AND deployments.deployed_at"+since+" AND deployments.created_at"+since+
		") ORDER BY used_at, id LIMIT ?", now, now, now, limit)
}

// IdleDeployments returns deployments that nobody has used since that was announced.
func (tx *Tx) IdleDeployments(now cloud.Time, limit int) ([]cloud.Deployment, error) {
	return deployments.all(tx, "idle_warned_at > 0 AND "+observedUse+"deployments.idle_warned_at < ? - "+notice+") ORDER BY idle_warned_at, id LIMIT ?", now, limit)
}

// WarnedIdle records that it was announced that the deployment is archived as unused.
func (tx *Tx) WarnedIdle(id cloud.DeploymentID, at cloud.Time) error {
	_, err := tx.exec("UPDATE deployments SET idle_warned_at = ? WHERE id = ?", at, id)
	return err
}

// UsedDeployment records a use of the deployment, without a new version.
func (tx *Tx) UsedDeployment(id cloud.DeploymentID, at cloud.Time) error {
	_, err := tx.exec("UPDATE deployments SET used_at = ?, idle_warned_at = 0 WHERE id = ? AND used_at < ?", at, id, at)
	return err
}

// BeginCheck records the check that is under way and when the next one is due.
// Checks change no version: they must not make a user's update conflict.
func (tx *Tx) BeginCheck(id cloud.DeploymentID, job cloud.JobID, runner cloud.NodeID, next cloud.Time) error {
	_, err := tx.exec("UPDATE deployments SET check_job_id = ?, runner_id = ?, check_at = ? WHERE id = ?", job, runner, next, id)
	return err
}

// EndCheck records the end of a check, with the error of one that could not be run.
// Only the one that is under way counts.
func (tx *Tx) EndCheck(id cloud.DeploymentID, job cloud.JobID, problem string) (bool, error) {
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	n, err := tx.exec("UPDATE deployments SET check_job_id = '', checked_at = ?, check_error = ? WHERE id = ? AND check_job_id = ?", now, problem, id, job)
	return n == 1, err
}

// ObserveDeployment writes what a check found, if the deployment still has the state
// and version that were read, and reports whether it did. It makes no new version.
func (tx *Tx) ObserveDeployment(d *cloud.Deployment, from cloud.DeploymentState) (bool, error) {
	n, err := tx.exec(`UPDATE deployments SET state = ?, reason = ?, message = ?, script = ?, exit_code = ?, status_at = ?
		WHERE id = ? AND state = ? AND version = ?`, d.State, d.Reason, d.Message, d.Script, d.ExitCode, d.StatusAt, d.ID, from, d.Version)
	return n == 1, err
}

// MissCheck records why no check could be begun, and when to try again.
func (tx *Tx) MissCheck(id cloud.DeploymentID, problem string, next cloud.Time) error {
	_, err := tx.exec("UPDATE deployments SET check_job_id = '', check_error = ?, check_at = ? WHERE id = ?", problem, next, id)
	return err
}

// RunnerLoad is how many deployments each node has.
func (tx *Tx) RunnerLoad(project cloud.ProjectID) (map[cloud.NodeID]int64, error) {
	out := map[cloud.NodeID]int64{}
	err := tx.query(func(scan func(...any) error) error {
		var id cloud.NodeID
		var n int64
		err := scan(&id, &n)
		out[id] = n
		return err
	}, "SELECT runner_id, count(*) FROM deployments WHERE project_id = ? AND deleted_at = 0 AND runner_id <> '' GROUP BY runner_id", project)
	return out, err
}

// WarnedExpiry records that the end of the deployment's time was announced.
func (tx *Tx) WarnedExpiry(id cloud.DeploymentID, at cloud.Time) error {
	_, err := tx.exec("UPDATE deployments SET warned_at = ? WHERE id = ?", at, id)
	return err
}
