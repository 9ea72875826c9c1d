package cloud

import (
	"slices"
	"strings"
)

// Role names of people. Installation roles are on the user; the others are on
// an account, cloudspace, machine or project and are inherited downwards.
type UserRole string

// The roles of people.
const (
	InstallationAdmin    UserRole = "admin"
	InstallationOperator UserRole = "operator"
	InstallationSupport  UserRole = "support"
	InstallationBilling  UserRole = "billing"

	ScopeAdmin  UserRole = "admin"
	ScopeWriter UserRole = "writer"
	ScopeReader UserRole = "reader"
)

// InstallationRoles and ScopeRoles list the roles of each level.
var (
	InstallationRoles = []UserRole{InstallationAdmin, InstallationOperator, InstallationSupport, InstallationBilling}
	ScopeRoles        = []UserRole{ScopeAdmin, ScopeWriter, ScopeReader}
)

// User is a person, or with AccountID set a service account for programs.
type User struct {
	ID           UserID
	Name         string
	Email        string
	FullName     string
	AccountID    AccountID // of a service account; "" for people
	Role         UserRole  // installation role; "" for most
	PasswordHash string    // argon2id in PHC form; "" means no password login
	SetupHash    string    // hash of the one-time link's secret; "" when used up
	SetupExpires Time
	Disabled     bool
	FailedLogins int64
	LockedUntil  Time
	LastLoginAt  Time

	// The second factor: codes by time. TOTPSecret is sealed; "" means there is none.
	TOTPSecret    string
	TOTPPending   string   // a new secret, sealed, that no code has confirmed yet
	TOTPStep      int64    // of the last code that was used: older ones hold no more
	RecoveryCodes []string // hashes of those that were not used

	// The account at an identity provider that the user is linked to; "" for none.
	Issuer  string
	Subject string
	Meta
}

// HasSecondFactor reports whether a code is asked for with the password.
func (u *User) HasSecondFactor() bool { return u.TOTPSecret != "" }

// IsService reports whether the user is a service account.
func (u *User) IsService() bool { return u.AccountID != "" }

// Kind is user or service-account.
func (u *User) Kind() Kind {
	if u.IsService() {
		return KindServiceAccount
	}
	return KindUser
}

// Validate checks what an administrator may set.
func (u *User) Validate() error {
	if err := ValidateName(u.Kind(), u.Name); err != nil {
		return err
	}
	if u.Role != "" && (u.IsService() || !slices.Contains(InstallationRoles, u.Role)) {
		return FieldErrorf("role", "%q is no role of the installation; they are %v, for people only", u.Role, InstallationRoles)
	}
	if u.Email != "" && (!strings.Contains(u.Email, "@") || strings.ContainsAny(u.Email, " \t\r\n<>,;")) {
		return FieldErrorf("email", "%q is no mail address", clip(u.Email))
	}
	return nil
}

// ValidatePassword checks a new password.
func ValidatePassword(pw string) error {
	if len(pw) < 10 || len(pw) > 1024 {
		return FieldErrorf("password", "must have 10 to 1024 characters")
	}
	return nil
}

// Membership gives a user a role on one account, cloudspace, machine or project.
type Membership struct {
	ID           MembershipID
	UserID       UserID
	Role         UserRole
	AccountID    AccountID    // always set: the account that the scope lies in
	CloudspaceID CloudspaceID // set for a cloudspace or machine
	MachineID    MachineID    // set for a machine
	ProjectID    ProjectID    // set for a project
	Provider     string       // the sign-in provider whose groups give it; "" for a person's doing
	Meta
}

// Validate checks the role.
func (m *Membership) Validate() error {
	if !slices.Contains(ScopeRoles, m.Role) {
		return FieldErrorf("role", "%q is no role here; they are %v", m.Role, ScopeRoles)
	}
	return nil
}

// Scope of a token: what it may do of what its user may.
const (
	TokenScopeFull = "full"
	TokenScopeRead = "read"
)

// Token is an API token. Only its hash is kept.
type Token struct {
	ID         TokenID
	UserID     UserID
	Name       string
	Hash       string
	Scope      string    // full or read
	AccountID  AccountID // limits the token to one account; "" for none
	ExpiresAt  Time      // 0 means never
	LastUsedAt Time
	Meta
}

// Validate checks what a user may set.
func (t *Token) Validate() error {
	if t.Scope != TokenScopeFull && t.Scope != TokenScopeRead {
		return FieldErrorf("scope", "%q is no scope; they are full and read", t.Scope)
	}
	return ValidateName(KindToken, t.Name)
}

// Session is a browser's login.
type Session struct {
	ID        SessionID
	UserID    UserID
	Hash      string // of the cookie's secret
	CSRF      string
	Address   string
	UserAgent string
	Provider  string // the sign-in provider that it came by; "" for a password
	ExpiresAt Time
	Meta
}

// SSHKey is a public key of an account, put into new machines.
type SSHKey struct {
	ID          SSHKeyID
	AccountID   AccountID
	Name        string
	PublicKey   string // one authorized_keys line
	Fingerprint string // SHA256:…
	Meta
}

// Validate checks the name and that the key is one line of a known form; the
// key itself is parsed where it is created.
func (k *SSHKey) Validate() error {
	if err := ValidateName(KindSSHKey, k.Name); err != nil {
		return err
	}
	return ValidatePublicKey("public_key", k.PublicKey)
}

// ValidatePublicKey checks the outer form of an authorized_keys line.
func ValidatePublicKey(field, key string) error {
	f := strings.Fields(key)
	if len(f) < 2 || strings.ContainsAny(key, "\r\n") || len(key) > 16<<10 {
		return FieldErrorf(field, "is no public ssh key: expected one line such as 'ssh-ed25519 AAAA… comment'")
	}
	if strings.HasPrefix(key, "-----BEGIN") {
		return FieldErrorf(field, "is a private key; give the public one (the file ending in .pub)")
	}
	return nil
}
