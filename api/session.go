package api

// Login is a name and a password.
type Login struct {
	Name     string `json:"name" example:"ada" maxLength:"128"`
	Password string `json:"password" maxLength:"1024"`
}

// Setup sets the first password with the secret of a one-time link, and logs in.
type Setup struct {
	Secret   string `json:"secret" doc:"From the link."`
	Password string `json:"password" minLength:"10" maxLength:"1024"`
}

// Session is a browser's login.
type Session struct {
	ID        string `json:"id"`
	UserID    string `json:"user_id"`
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Current   bool   `json:"current" doc:"The session of this request."`
	ExpiresAt Time   `json:"expires_at,omitzero"`
	CreatedAt Time   `json:"created_at,omitzero"`
}

// SessionCreated is a new session; its secret is in the cookie atoll_session.
type SessionCreated struct {
	Session Session `json:"session"`
	User    User    `json:"user"`
	CSRF    string  `json:"csrf" doc:"Send it as X-CSRF-Token with each request that changes something."`
}

// Me is who the caller is, and what it may.
type Me struct {
	User        User         `json:"user"`
	Kind        string       `json:"kind" enum:"user,service-account"`
	AccountID   string       `json:"account_id,omitempty" doc:"Of a service account, or the account that the token is limited to."`
	Memberships []Membership `json:"memberships"`
	Credential  string       `json:"credential,omitempty" doc:"Id of the token or session in use."`
	ReadOnly    bool         `json:"read_only" doc:"The token may only read."`
	CSRF        string       `json:"csrf,omitempty" doc:"Of the session, if the caller has one."`
}
