package cloud

import (
	"slices"
	"strings"
)

// Identity is what an identity provider says of who signed in there.
type Identity struct {
	Issuer  string // of the provider
	Subject string // names the person there for ever
	Name    string // for the login name; "" if the provider said none
	Email   string
	// EmailVerified says that the provider vouches for the address.
	EmailVerified bool
	FullName      string
	Groups        []string
}

// SignInProvider says who may sign in through an identity provider, and as what.
type SignInProvider struct {
	Name  string // in URLs, events and the configuration
	Label string // for people
	// CreateUsers makes a user of who signs in and is none yet.
	CreateUsers bool
	// LinkByEmail makes who signs in the user that has the same address, if the
	// provider vouches for it.
	LinkByEmail bool
	// Domains and Groups limit who may sign in: a verified address in one of the
	// domains, one of the groups. Empty ones do not.
	Domains, Groups []string
	// Roles give the role on the installation, the first whose group fits; the user
	// has none if no group does. Without Roles the role is left as it is.
	Roles []GroupRole
	// Memberships give roles on accounts and projects while the user is in the group.
	Memberships []GroupMembership
}

// GroupRole gives members of a group a role on the installation.
type GroupRole struct {
	Group string
	Role  UserRole
}

// GroupMembership gives members of a group a role on an account or a project in it.
type GroupMembership struct {
	Group   string
	Account string // name
	Project string // name in the account; "" for the account
	Role    UserRole
}

// Validate checks the names, roles and that each mapping is complete.
func (p *SignInProvider) Validate() error {
	if !dnsLabel.re.MatchString(p.Name) || len(p.Name) > dnsLabel.max {
		return FieldErrorf("name", "%q does not fit: %s", clip(p.Name), dnsLabel.says)
	}
	for _, r := range p.Roles {
		if r.Group == "" || !slices.Contains(InstallationRoles, r.Role) {
			return FieldErrorf("roles", "each needs a group and a role of %v", InstallationRoles)
		}
	}
	for _, m := range p.Memberships {
		if m.Group == "" || m.Account == "" || !slices.Contains(ScopeRoles, m.Role) {
			return FieldErrorf("memberships", "each needs a group, an account and a role of %v", ScopeRoles)
		}
	}
	return nil
}

// Admits reports whether the provider's rules let the person in at all; if not,
// why not, for the audit log.
func (p *SignInProvider) Admits(id *Identity) (reason string, ok bool) {
	if len(p.Domains) > 0 {
		_, domain, _ := strings.Cut(id.Email, "@")
		in := slices.ContainsFunc(p.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
		if !in || !id.EmailVerified {
			return "no verified address in an allowed domain", false
		}
	}
	if len(p.Groups) > 0 && !slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(id.Groups, g) }) {
		return "in none of the allowed groups", false
	}
	return "", true
}

// RoleOf returns the role on the installation that the groups give.
func (p *SignInProvider) RoleOf(groups []string) UserRole {
	for _, r := range p.Roles {
		if slices.Contains(groups, r.Group) {
			return r.Role
		}
	}
	return ""
}
