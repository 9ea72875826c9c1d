// Package authz says which role may do what to which kind: one table, shown
// whole in testdata/matrix.golden.
//
// It must never read the store or look at an object: control brings the roles
// that the caller has on the object.
package authz

import (
	"slices"

	"atoll/internal/cloud"
)

// Action is what somebody wants to do.
type Action string

// The actions. Execute is starting, stopping, running; Manage is giving rights
// and limits.
const (
	Read    Action = "read"
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Execute Action = "execute"
	Manage  Action = "manage"
)

// Actions lists them.
var Actions = []Action{Read, Create, Update, Delete, Execute, Manage}

// Roles are the roles that a caller has on an object: that of the installation,
// and the strongest of its memberships on the object's account, cloudspace and
// machine (rights are inherited downwards).
type Roles struct {
	Installation cloud.UserRole
	Scope        cloud.UserRole
}

// rule says who may: installation roles besides admin, which may everything,
// and the weakest scope role that suffices ("" for none).
type rule struct {
	installation []cloud.UserRole
	scope        cloud.UserRole
}

var (
	op      = cloud.InstallationOperator
	support = cloud.InstallationSupport
	billing = cloud.InstallationBilling
	staff   = []cloud.UserRole{op, support, billing}
	viewers = []cloud.UserRole{op, support}
	ops     = []cloud.UserRole{op}
	nobody  = rule{}
)

// everyone is the scope role of what each signed-in user may read.
const everyone cloud.UserRole = "everyone"

// tenant are the rules of what lives in a cloudspace.
var tenant = map[Action]rule{
	Read:    {viewers, cloud.ScopeReader},
	Create:  {ops, cloud.ScopeWriter},
	Update:  {ops, cloud.ScopeWriter},
	Delete:  {ops, cloud.ScopeWriter},
	Execute: {ops, cloud.ScopeWriter},
	Manage:  {ops, cloud.ScopeAdmin},
}

// infrastructure are the rules of what only operators see.
var infrastructure = map[Action]rule{
	Read: {viewers, ""}, Create: {ops, ""}, Update: {ops, ""}, Delete: {ops, ""}, Execute: {ops, ""}, Manage: nobody,
}

// offered are the rules of what operators offer and every user may see.
var offered = map[Action]rule{
	Read: {viewers, everyone}, Create: {ops, ""}, Update: {ops, ""}, Delete: {ops, ""}, Execute: {ops, ""}, Manage: nobody,
}

// table is the whole policy.
var table = map[cloud.Kind]map[Action]rule{
	cloud.KindInstallation: {Read: {viewers, ""}, Create: nobody, Update: nobody, Delete: nobody, Execute: nobody, Manage: nobody},
	cloud.KindSettings:     {Read: {ops, ""}, Create: nobody, Update: nobody, Delete: nobody, Execute: nobody, Manage: nobody},
	cloud.KindLocation:     offered,
	cloud.KindSize:         offered,
	cloud.KindNode:         infrastructure,
	cloud.KindJoinToken:    infrastructure,
	cloud.KindLeftover:     infrastructure,
	cloud.KindSchedule:     infrastructure,
	cloud.KindScript:       infrastructure,
	cloud.KindJob: {
		Read: {viewers, cloud.ScopeReader}, Create: {ops, ""}, Update: nobody, Delete: nobody, Execute: {ops, ""}, Manage: nobody,
	},
	cloud.KindAccount: {
		Read: {staff, cloud.ScopeReader}, Create: {ops, ""}, Update: {ops, cloud.ScopeAdmin}, Delete: {ops, ""}, Execute: {ops, ""},
		Manage: {ops, cloud.ScopeAdmin},
	},
	cloud.KindMembership: {
		Read: {viewers, cloud.ScopeReader}, Create: {ops, cloud.ScopeAdmin}, Update: {ops, cloud.ScopeAdmin},
		Delete: {ops, cloud.ScopeAdmin}, Execute: nobody, Manage: nobody,
	},
	cloud.KindServiceAccount: {
		Read: {viewers, cloud.ScopeReader}, Create: {ops, cloud.ScopeAdmin}, Update: {ops, cloud.ScopeAdmin},
		Delete: {ops, cloud.ScopeAdmin}, Execute: {ops, cloud.ScopeAdmin}, Manage: {nil, cloud.ScopeAdmin},
	},
	// Installation roles are given by its admins only: an operator must not make
	// himself one.
	cloud.KindUser: {
		Read: {viewers, ""}, Create: {ops, ""}, Update: {ops, ""}, Delete: nobody, Execute: nobody, Manage: nobody,
	},
	cloud.KindSSHKey:     tenant,
	cloud.KindCloudspace: {Read: tenant[Read], Create: tenant[Create], Update: tenant[Update], Delete: {ops, cloud.ScopeAdmin}, Execute: tenant[Execute], Manage: tenant[Manage]},
	cloud.KindMachine:    tenant,
	cloud.KindProject:    {Read: tenant[Read], Create: {ops, cloud.ScopeAdmin}, Update: {ops, cloud.ScopeAdmin}, Delete: {ops, cloud.ScopeAdmin}, Execute: tenant[Execute], Manage: tenant[Manage]},
	cloud.KindDeployment: tenant,
	cloud.KindBundle:     {Read: tenant[Read], Create: {ops, cloud.ScopeAdmin}, Update: {ops, cloud.ScopeAdmin}, Delete: nobody, Execute: nobody, Manage: nobody},
	// Manage opens a space to everybody who is signed in.
	cloud.KindWikiSpace: {Read: tenant[Read], Create: {ops, cloud.ScopeAdmin}, Update: {ops, cloud.ScopeAdmin}, Delete: {ops, cloud.ScopeAdmin}, Execute: nobody, Manage: {ops, ""}},
	cloud.KindWikiPage:  {Read: tenant[Read], Create: tenant[Create], Update: tenant[Update], Delete: tenant[Delete], Execute: nobody, Manage: nobody},
	// A webhook's URL may be as good as a password: who could not change it does not see it.
	cloud.KindWebhook: {
		Read: {ops, cloud.ScopeAdmin}, Create: {ops, cloud.ScopeAdmin}, Update: {ops, cloud.ScopeAdmin}, Delete: {ops, cloud.ScopeAdmin},
		Execute: {ops, cloud.ScopeAdmin}, Manage: nobody,
	},
	cloud.KindDisk:        tenant,
	cloud.KindPortForward: tenant,
	cloud.KindImage:       tenant,
	cloud.KindOperation:   tenant,
	cloud.KindQuota: {
		Read: {staff, cloud.ScopeReader}, Create: nobody, Update: {ops, ""}, Delete: nobody, Execute: nobody, Manage: {ops, cloud.ScopeAdmin},
	},
	cloud.KindEvent: {
		Read: {staff, cloud.ScopeReader}, Create: nobody, Update: nobody, Delete: nobody, Execute: nobody, Manage: nobody,
	},
	// A user's own tokens and sessions; control lets the owner, and nobody else but admins.
	cloud.KindToken:   {Read: nobody, Create: nobody, Update: nobody, Delete: nobody, Execute: nobody, Manage: nobody},
	cloud.KindSession: {Read: nobody, Create: nobody, Update: nobody, Delete: nobody, Execute: nobody, Manage: nobody},
}

// rank orders the scope roles.
func rank(r cloud.UserRole) int {
	return 1 + slices.Index([]cloud.UserRole{cloud.ScopeReader, cloud.ScopeWriter, cloud.ScopeAdmin}, r)
}

// Allowed reports whether the roles suffice. A kind that is not in the table is
// refused.
func Allowed(r Roles, a Action, k cloud.Kind) bool {
	if r.Installation == cloud.InstallationAdmin {
		_, known := table[k][a]
		return known
	}
	rule, ok := table[k][a]
	switch {
	case !ok:
		return false
	case r.Installation != "" && slices.Contains(rule.installation, r.Installation):
		return true
	case rule.scope == everyone:
		return true
	}
	return rule.scope != "" && rank(r.Scope) >= rank(rule.scope)
}

// SeesAll reports whether the installation role reads all objects of the kind.
func SeesAll(installation cloud.UserRole, k cloud.Kind) bool {
	return Allowed(Roles{Installation: installation}, Read, k)
}

// WhoCould names who could allow the action, for the refusal's message.
func WhoCould(a Action, k cloud.Kind) string {
	rule := table[k][a]
	switch {
	case rule.scope == cloud.ScopeAdmin:
		return "an admin of the account"
	case rule.scope != "" && rule.scope != everyone:
		return "a " + string(rule.scope) + " or admin of the account"
	case len(rule.installation) > 0:
		return "an operator of the installation"
	}
	return "an admin of the installation"
}

// Kinds returns what the roles allow: for each kind the actions, in the order of
// Actions. Kinds without any are left out.
func Kinds(r Roles) map[cloud.Kind][]Action {
	out := map[cloud.Kind][]Action{}
	for k := range table {
		for _, a := range Actions {
			if Allowed(r, a, k) {
				out[k] = append(out[k], a)
			}
		}
	}
	return out
}
