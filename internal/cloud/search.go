package cloud

// Found is an object that a search found.
type Found struct {
	Kind       Kind
	ID         string
	Name       string // of a page its path in the space
	Title      string // of a space or page
	State      string
	AccountID  AccountID
	Account    string // its name, if the reader may see it
	ParentKind Kind   // of what it lies in, other than the account
	ParentID   string
	Parent     string // its name, if the reader may see it
}
