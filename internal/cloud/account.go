package cloud

// AccountState says whether an account may change things.
type AccountState string

// The account states.
const (
	AccountActive   AccountState = "active"
	AccountDisabled AccountState = "disabled" // may be read, nothing may be changed
)

// AccountTransitions is the transition table of accounts.
var AccountTransitions = Transitions[AccountState]{
	AccountActive:   {AccountDisabled},
	AccountDisabled: {AccountActive},
}

// Account is a tenant. Cloudspaces, private images, ssh keys and scripts belong to one.
type Account struct {
	ID          AccountID
	Name        string
	Description string
	State       AccountState
	Meta
}

// Validate checks what a user may set.
func (a *Account) Validate() error { return ValidateName(KindAccount, a.Name) }
