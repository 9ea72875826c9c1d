package api

// Membership gives a user a role on one account, cloudspace, machine or project.
type Membership struct {
	ID           string `json:"id"`
	UserID       string `json:"user_id"`
	User         string `json:"user,omitempty" doc:"The user's name, where known."`
	UserKind     string `json:"user_kind,omitempty" doc:"user or service-account, where known."`
	Role         string `json:"role" enum:"admin,writer,reader"`
	AccountID    string `json:"account_id"`
	CloudspaceID string `json:"cloudspace_id,omitempty" doc:"Set for a role on a cloudspace or machine."`
	MachineID    string `json:"machine_id,omitempty" doc:"Set for a role on a machine."`
	ProjectID    string `json:"project_id,omitempty" doc:"Set for a role on a project."`
	Provider     string `json:"provider,omitempty" doc:"Name of the sign-in provider whose groups give it: it follows them at each sign-in."`
	Meta
}

// MembershipCreate gives a role. With account alone it holds for the account and
// all in it, with cloudspace, machine or project for that one; account and cloudspace then
// only help to find it by its name.
type MembershipCreate struct {
	User           string `json:"user,omitempty" doc:"Who: id or name of a user …"`
	ServiceAccount string `json:"service_account,omitempty" doc:"… or id of a service account, or its name in the account."`
	Role           string `json:"role" enum:"admin,writer,reader"`
	Account        string `json:"account,omitempty" doc:"Id or name."`
	Cloudspace     string `json:"cloudspace,omitempty" doc:"Id, or name in the account."`
	Machine        string `json:"machine,omitempty" doc:"Id, or name in the cloudspace."`
	Project        string `json:"project,omitempty" doc:"Id, or name in the account."`
}

// MembershipUpdate changes the role.
type MembershipUpdate struct {
	Role string `json:"role" enum:"admin,writer,reader"`
}
