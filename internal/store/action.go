package store

import (
	"atoll/internal/cloud"
)

var actions = table[cloud.Action]{
	kind: cloud.KindDeployment, name: "actions",
	cols: append([]string{"id", "account_id", "project_id", "deployment_id", "deployment_name", "verb", "operation_id", "actor_id", "actor_name", "outcome", "from_state", "to_state", "reason", "message", "script", "exit_code", "job_id", "application", "deployment", "overrides", "started_at", "finished_at"}, metaCols...),
	ptrs: func(v *cloud.Action) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.ProjectID, &v.DeploymentID, &v.DeploymentName, &v.Verb, &v.OperationID, &v.ActorID, &v.ActorName,
			&v.Outcome, &v.From, &v.To, &v.Reason, &v.Message, &v.Script, &v.ExitCode, &v.JobID,
			asJSON{&v.Application},
			asJSON{&v.Deployment},
			rawJSON{&v.Overrides},
			&v.StartedAt, &v.FinishedAt,
		}, metaPtrs(&v.Meta)...)
	},
	meta: func(v *cloud.Action) *cloud.Meta { return &v.Meta },
	filters: map[string]string{
		"project": "project_id", "deployment": "deployment_id", "name": "deployment_name", "verb": "verb", "outcome": "outcome", "operation": "operation_id",
	},
	account: "account_id",
	project: "project_id",
}

// CreateAction writes a new entry of the log.
func (tx *Tx) CreateAction(v *cloud.Action) error { return actions.insert(tx, v) }

// Action returns the entry.
func (tx *Tx) Action(id cloud.ActionID) (*cloud.Action, error) { return actions.live(tx, id) }

// ActionNumbered returns the entry of the project by its id's number.
func (tx *Tx) ActionNumbered(project cloud.ProjectID, n int64) (*cloud.Action, error) {
	first, last := cloud.ActionsNumbered(n)
	return actions.get(tx, n, "id = (SELECT min(id) FROM actions WHERE project_id = ? AND id >= ? AND id <= ?)", project, first, last)
}

// UpdateAction writes the entry back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateAction(v *cloud.Action) error { return actions.update(tx, v) }

// Actions returns a page of the log and the cursor of the next one.
func (tx *Tx) Actions(q Query) ([]cloud.Action, string, error) { return actions.list(tx, q) }

// ActionOf returns the entry of an operation.
func (tx *Tx) ActionOf(id cloud.OperationID) (*cloud.Action, error) {
	return actions.get(tx, id, "operation_id = ? AND operation_id <> ''", id)
}

// LastAction returns what was done last to a deployment by somebody.
func (tx *Tx) LastAction(id cloud.DeploymentID) (*cloud.Action, error) {
	return actions.get(tx, id, "deployment_id = ? AND operation_id <> '' ORDER BY id DESC LIMIT 1", id)
}

// ForgetActions removes entries of a project that were made before the time, of
// deployments that are gone, and returns how many.
func (tx *Tx) ForgetActions(project cloud.ProjectID, before cloud.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM actions WHERE id IN (SELECT a.id FROM actions a WHERE a.project_id = ? AND a.id < ? AND NOT EXISTS (
		SELECT 1 FROM deployments d WHERE d.id = a.deployment_id AND d.deleted_at = 0) ORDER BY a.id LIMIT ?)`,
		project, cloud.FirstID[cloud.ActionID](before), limit)
}
