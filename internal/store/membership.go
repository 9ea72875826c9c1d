package store

import (
	"atoll/internal/cloud"
)

var memberships = table[cloud.Membership]{
	kind: cloud.KindMembership, name: "memberships",
	cols: append([]string{"id", "user_id", "role", "account_id", "cloudspace_id", "machine_id", "project_id", "provider"}, metaCols...),
	ptrs: func(v *cloud.Membership) []any {
		return append([]any{
			&v.ID, &v.UserID, &v.Role, &v.AccountID, &v.CloudspaceID, &v.MachineID, &v.ProjectID, &v.Provider,
		}, metaPtrs(&v.Meta)...)
	},
	meta:       func(v *cloud.Membership) *cloud.Meta { return &v.Meta },
	filters:    map[string]string{"user": "user_id", "role": "role", "account": "account_id", "cloudspace": "cloudspace_id", "machine": "machine_id", "project": "project_id"},
	account:    "account_id",
	cloudspace: "cloudspace_id",
	machine:    "machine_id",
	project:    "project_id",
}

// CreateMembership writes a new membership.
func (tx *Tx) CreateMembership(v *cloud.Membership) error { return memberships.insert(tx, v) }

// Membership returns the membership unless it is deleted.
func (tx *Tx) Membership(id cloud.MembershipID) (*cloud.Membership, error) {
	return memberships.live(tx, id)
}

// UpdateMembership writes the membership back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateMembership(v *cloud.Membership) error { return memberships.update(tx, v) }

// Memberships returns a page of memberships and the cursor of the next one.
func (tx *Tx) Memberships(q Query) ([]cloud.Membership, string, error) {
	return memberships.list(tx, q)
}

// MembershipsOf returns all memberships of a user.
func (tx *Tx) MembershipsOf(user cloud.UserID) ([]cloud.Membership, error) {
	return memberships.all(tx, "user_id = ? AND deleted_at = 0 ORDER BY id", user)
}

// DeleteMembershipsUnder ends the memberships on a cloudspace or machine that is deleted.
func (tx *Tx) DeleteMembershipsUnder(cloudspace cloud.CloudspaceID, machine cloud.MachineID) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if machine != "" {
		_, err = tx.exec("UPDATE memberships SET deleted_at = ? WHERE machine_id = ? AND deleted_at = 0", now, machine)
		return err
	}
	_, err = tx.exec("UPDATE memberships SET deleted_at = ? WHERE cloudspace_id = ? AND deleted_at = 0", now, cloudspace)
	return err
}

// DeleteMembershipsOnProject ends the memberships on a project that is deleted.
func (tx *Tx) DeleteMembershipsOnProject(id cloud.ProjectID) error {
	return memberships.deleteAll(tx, "project_id = ?", id)
}

// DeleteMembershipsOf ends the memberships of a user that is deleted.
func (tx *Tx) DeleteMembershipsOf(user cloud.UserID) error {
	return memberships.deleteAll(tx, "user_id = ?", user)
}

// DeleteMembershipsIn ends the memberships in an account that is deleted.
func (tx *Tx) DeleteMembershipsIn(account cloud.AccountID) error {
	return memberships.deleteAll(tx, "account_id = ?", account)
}
