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

// ServiceAccountCreate is what a service account is made from. It has no rights
// until it gets a membership.
type ServiceAccountCreate struct {
	Account  string `json:"account" doc:"Id or name."`
	Name     string `json:"name" doc:"A DNS label, unique in the account." example:"ci"`
	FullName string `json:"full_name,omitempty" maxLength:"200"`
}

// ServiceAccountUpdate changes a service account; what is left out stays.
type ServiceAccountUpdate struct {
	FullName *string `json:"full_name,omitempty" maxLength:"200"`
	Disabled *bool   `json:"disabled,omitempty" doc:"true refuses all its tokens. In a request of its own."`
}
