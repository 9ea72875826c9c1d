package api

// User is a person.
type User struct {
	ID          string `json:"id"`
	Name        string `json:"name" example:"ada"`
	Email       string `json:"email,omitempty"`
	FullName    string `json:"full_name,omitempty"`
	Role        string `json:"role,omitempty" doc:"Role in the installation: admin, operator, support, billing; empty for most."`
	Disabled    bool   `json:"disabled"`
	HasPassword bool   `json:"has_password"`
	TwoFactor   bool   `json:"two_factor" doc:"A second factor is enrolled."`
	Issuer      string `json:"issuer,omitempty" doc:"Of the identity provider's account that the user is linked to."`
	LockedUntil Time   `json:"locked_until,omitzero" doc:"Set after too many failed logins."`
	LastLoginAt Time   `json:"last_login_at,omitzero"`
	Meta
}

// UserCreate is what a user is made from. Without a password the answer has a
// one-time link with which the user sets one.
type UserCreate struct {
	Name     string `json:"name" doc:"The login name." example:"ada"`
	Email    string `json:"email,omitempty"`
	FullName string `json:"full_name,omitempty" maxLength:"200"`
	Role     string `json:"role,omitempty" enum:",admin,operator,support,billing" doc:"Role in the installation; only its admins give one."`
	Password string `json:"password,omitempty" minLength:"10" maxLength:"1024"`
}

// UserUpdate changes a user; what is left out stays.
type UserUpdate struct {
	Name     *string `json:"name,omitempty" doc:"The login name; for operators."`
	Email    *string `json:"email,omitempty"`
	FullName *string `json:"full_name,omitempty" maxLength:"200"`
	Role     *string `json:"role,omitempty" enum:",admin,operator,support,billing"`
	Disabled *bool   `json:"disabled,omitempty" doc:"true ends all sessions and refuses all tokens. In a request of its own."`
}

// UserCreated is a new user with the link that sets the password.
type UserCreated struct {
	User
	SetupLink
}

// SetupLink is a one-time link with which a user sets a password.
type SetupLink struct {
	SetupURL     string `json:"setup_url,omitempty" doc:"Works once; it is shown only now."`
	SetupSecret  string `json:"setup_secret,omitempty" doc:"The link's secret, for POST /api/v1/setup."`
	SetupExpires Time   `json:"setup_expires,omitzero"`
}

// PasswordSet sets a user's password.
type PasswordSet struct {
	Password    string `json:"password" minLength:"10" maxLength:"1024" doc:"The new password."`
	OldPassword string `json:"old_password,omitempty" doc:"The present one; required to change one's own."`
}
