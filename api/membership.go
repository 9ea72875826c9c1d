package api

// Membership gives a user a role on one account, cloudspace or machine.
type Membership struct {
	ID           string `json:"id"`
	UserID       string `json:"user_id"`
	User         string `json:"user,omitempty" doc:"The user's name, where known."`
	Role         string `json:"role" enum:"admin,writer,reader"`
	AccountID    string `json:"account_id"`
	CloudspaceID string `json:"cloudspace_id,omitempty" doc:"Set for a role on a cloudspace or machine."`
	MachineID    string `json:"machine_id,omitempty" doc:"Set for a role on a machine."`
	Meta
}

// MembershipCreate gives a role. With account alone it holds for the account and
// all in it, with cloudspace or machine for that one.
type MembershipCreate struct {
	User       string `json:"user" doc:"Id or name of a user; a service account by its id."`
	Role       string `json:"role" enum:"admin,writer,reader"`
	Account    string `json:"account,omitempty" doc:"Id or name."`
	Cloudspace string `json:"cloudspace,omitempty" doc:"Id, or name in the account."`
	Machine    string `json:"machine,omitempty" doc:"Id, or name in the cloudspace."`
}

// MembershipUpdate changes the role.
type MembershipUpdate struct {
	Role string `json:"role" enum:"admin,writer,reader"`
}
