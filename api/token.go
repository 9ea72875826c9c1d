package api

// Token is an API token. Its secret was shown once.
type Token struct {
	ID         string `json:"id"`
	UserID     string `json:"user_id"`
	Name       string `json:"name" example:"laptop"`
	Scope      string `json:"scope" enum:"full,read"`
	AccountID  string `json:"account_id,omitempty" doc:"The one account that it is limited to."`
	ExpiresAt  Time   `json:"expires_at,omitzero" doc:"Left out: never."`
	LastUsedAt Time   `json:"last_used_at,omitzero"`
	Meta
}

// TokenCreate is what a token is made from.
type TokenCreate struct {
	Name    string `json:"name" doc:"Unique among the user's tokens." example:"laptop"`
	Scope   string `json:"scope,omitempty" enum:"full,read" default:"full" doc:"read: it may only read."`
	Account string `json:"account,omitempty" doc:"Limits it to one account: id or name."`
	TTL     string `json:"ttl,omitempty" doc:"How long it holds; for ever if left out." example:"720h"`
	User    string `json:"user,omitempty" doc:"Whose it is: a service account's id; yours if left out."`
}

// TokenCreated is a new token with its secret, which is shown once.
type TokenCreated struct {
	Token
	Secret string `json:"secret" doc:"Send it as Authorization: Bearer SECRET; it is shown only now."`
}
