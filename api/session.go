package api

// Login is a name and a password, and a code where a second factor is enrolled.
type Login struct {
	Name     string `json:"name" example:"ada" maxLength:"128"`
	Password string `json:"password" maxLength:"1024"`
	Code     string `json:"code,omitempty" maxLength:"32" doc:"Of the authenticator app, or a recovery code. Without it the answer is 401 with code second-factor if one is needed." example:"492039"`
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
	Provider  string `json:"provider,omitempty" doc:"Name of the sign-in provider; empty after a sign-in with the password."`
	ExpiresAt Time   `json:"expires_at,omitzero"`
	CreatedAt Time   `json:"created_at,omitzero"`
}

// SessionCreated is a new session; its secret is in the cookie atoll_session.
type SessionCreated struct {
	Session Session `json:"session"`
	User    User    `json:"user"`
	CSRF    string  `json:"csrf" doc:"Send it as X-CSRF-Token with each request that changes something."`
	Enrol   bool    `json:"enrol" doc:"A second factor is required and missing: until it is enrolled, this session may do nothing else."`
}

// Me is who the caller is, and what it may.
type Me struct {
	User         User           `json:"user"`
	Kind         string         `json:"kind" enum:"user,service-account"`
	AccountID    string         `json:"account_id,omitempty" doc:"Of a service account, or the account that the token is limited to."`
	Memberships  []MyMembership `json:"memberships" nullable:"false"`
	Credential   string         `json:"credential,omitempty" doc:"Id of the token or session in use."`
	ReadOnly     bool           `json:"read_only" doc:"The token may only read."`
	CSRF         string         `json:"csrf,omitempty" doc:"Of the session, if the caller has one."`
	Provider     string         `json:"provider,omitempty" doc:"Name of the sign-in provider that the session came by."`
	SecondFactor SecondFactor   `json:"second_factor"`
	Permissions  Permissions    `json:"permissions"`
}

// MyMembership is a role of the caller with the names of where it holds.
type MyMembership struct {
	Membership
	Account    string `json:"account" doc:"Name."`
	Cloudspace string `json:"cloudspace,omitempty" doc:"Name."`
	Machine    string `json:"machine,omitempty" doc:"Name."`
	Project    string `json:"project,omitempty" doc:"Name."`
}

// Permissions are what the caller's roles allow: for each kind the actions read,
// create, update, delete, execute and manage. Kinds with none are left out.
type Permissions struct {
	Installation map[string][]string            `json:"installation" doc:"Everywhere, by the role on the installation."`
	Roles        map[string]map[string][]string `json:"roles" doc:"By each role that the caller has in a membership: in its account, cloudspace, machine or project, and below."`
}
