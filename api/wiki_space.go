package api

// WikiSpace is a set of pages with one scope: the installation, an account or a
// project. It is called a space everywhere but in this package, whose Page is the
// page of a list.
type WikiSpace struct {
	ID          string `json:"id"`
	AccountID   string `json:"account_id,omitempty" doc:"Empty for a space of the installation."`
	ProjectID   string `json:"project_id,omitempty" doc:"Set for a project's space."`
	Name        string `json:"name" example:"runbooks"`
	Title       string `json:"title" example:"Runbooks"`
	Description string `json:"description,omitempty"`
	Readers     string `json:"readers" enum:"scope,everyone" doc:"Who reads its pages: who has a role in its scope, or everyone signed in."`
	Pages       int64  `json:"pages" doc:"How many pages it has."`
	MayWrite    bool   `json:"may_write" doc:"Whether the caller may create and change its pages."`
	MayManage   bool   `json:"may_manage" doc:"Whether the caller may change and delete the space."`
	Meta
}

// WikiSpaceCreate is what a space is made from: without account and project it is
// the installation's.
type WikiSpaceCreate struct {
	Account     string `json:"account,omitempty" doc:"Id or name."`
	Project     string `json:"project,omitempty" doc:"Id, or name in the account."`
	Name        string `json:"name" doc:"A DNS label, unique in its scope." example:"runbooks"`
	Title       string `json:"title,omitempty" maxLength:"200" doc:"The name if left out."`
	Description string `json:"description,omitempty" maxLength:"1000"`
	Readers     string `json:"readers,omitempty" enum:"scope,everyone" doc:"scope if left out. Only an operator opens a space to everyone."`
}

// WikiSpaceUpdate sets a space's values; what is left out stays.
type WikiSpaceUpdate struct {
	Name        *string `json:"name,omitempty"`
	Title       *string `json:"title,omitempty" maxLength:"200"`
	Description *string `json:"description,omitempty" maxLength:"1000"`
	Readers     *string `json:"readers,omitempty" enum:"scope,everyone"`
}
