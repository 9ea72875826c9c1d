package api

// ServiceAccount is a user for programs, such as a CI. It belongs to an account.
type ServiceAccount struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	Name      string `json:"name" example:"ci"`
	FullName  string `json:"full_name,omitempty"`
	Disabled  bool   `json:"disabled"`
	Meta
}

// ServiceAccountCreate is what a service account is made from.
type ServiceAccountCreate struct {
	Account  string `json:"account" doc:"Id or name."`
	Name     string `json:"name" doc:"A DNS label, unique in the account." example:"ci"`
	FullName string `json:"full_name,omitempty" maxLength:"200"`
	Role     string `json:"role,omitempty" enum:",admin,writer,reader" doc:"Its role on the account; none if left out."`
}

// ServiceAccountUpdate changes a service account; what is left out stays.
type ServiceAccountUpdate struct {
	Name     *string `json:"name,omitempty"`
	FullName *string `json:"full_name,omitempty" maxLength:"200"`
	Disabled *bool   `json:"disabled,omitempty" doc:"true refuses all its tokens."`
}
