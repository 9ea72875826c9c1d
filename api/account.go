package api

// Account is a tenant.
type Account struct {
	ID          string `json:"id"`
	Name        string `json:"name" example:"acme"`
	Description string `json:"description,omitempty"`
	State       string `json:"state" enum:"active,disabled"`
	Meta
}

// AccountCreate is what an account is made from.
type AccountCreate struct {
	Name        string           `json:"name" doc:"A DNS label, unique in the installation." example:"acme"`
	Description string           `json:"description,omitempty" maxLength:"1000"`
	Limits      map[string]int64 `json:"limits,omitempty" doc:"Its quota: resource to limit; what is left out has none." example:"{\"vcpus\": 64}"`
}

// AccountUpdate changes an account; what is left out stays.
type AccountUpdate struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty" maxLength:"1000"`
	State       *string `json:"state,omitempty" enum:"active,disabled" doc:"A disabled account may be read, and nothing in it changed. For operators, in a request of its own."`
}
