package store

import (
	"atoll/internal/cloud"
)

var projects = table[cloud.Project]{
	kind: cloud.KindProject, name: "projects",
	cols: append([]string{"id", "account_id", "name", "description", "base_domain", "namespace", "folder", "bundle_id", "user_id", "role", "labels", "script_timeout", "check_timeout", "status_interval", "status_timeout", "archive_retention", "history", "default_ttl", "secrets", "idle_ttl", "disk_mib"}, metaCols...),
	ptrs: func(v *cloud.Project) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.Name, &v.Description, &v.BaseDomain, &v.Namespace, &v.Folder, &v.BundleID, &v.UserID, &v.Role,
			asJSON{&v.Labels},
			&v.ScriptTimeout, &v.CheckTimeout, &v.StatusInterval, &v.StatusTimeout, &v.ArchiveRetention, &v.History, &v.DefaultTTL,
			asJSON{&v.Secrets},
			&v.IdleTTL, &v.DiskMiB,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Project) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "account": "account_id"},
	account: "account_id",
	project: "id",
}

// CreateProject writes a new project.
func (tx *Tx) CreateProject(v *cloud.Project) error { return projects.insert(tx, v) }

// Project returns the project unless it is deleted.
func (tx *Tx) Project(id cloud.ProjectID) (*cloud.Project, error) { return projects.live(tx, id) }

// UpdateProject writes the project back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateProject(v *cloud.Project) error { return projects.update(tx, v) }

// Projects returns a page of projects and the cursor of the next one.
func (tx *Tx) Projects(q Query) ([]cloud.Project, string, error) { return projects.list(tx, q) }

// ProjectNamed returns the project by its name in the account.
func (tx *Tx) ProjectNamed(account cloud.AccountID, name string) (*cloud.Project, error) {
	return projects.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// LockProject makes other transactions that lock it wait for this one, so that
// nothing is made in a project while it is deleted. NotFound if it is gone meanwhile.
func (tx *Tx) LockProject(id cloud.ProjectID) error {
	n, err := tx.exec("UPDATE projects SET version = version WHERE id = ? AND deleted_at = 0", id)
	if err == nil && n == 0 {
		err = cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindProject, id)
	}
	return err
}
