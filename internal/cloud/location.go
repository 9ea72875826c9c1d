package cloud

// Location is a site: a set of nodes that are near to each other.
type Location struct {
	ID          LocationID
	Name        string
	Description string
	Meta
}

// Validate checks what a user may set.
func (l *Location) Validate() error { return ValidateName(KindLocation, l.Name) }
