package cloud

import "slices"

// WikiReaders says who may read the pages of a space.
type WikiReaders string

// The readers.
const (
	ReadersScope    WikiReaders = "scope"    // who has a role on the space's scope
	ReadersEveryone WikiReaders = "everyone" // everybody who is signed in
)

// WikiSpace is a set of pages that belong to an account, to one of its projects, or
// to the installation.
type WikiSpace struct {
	ID          WikiSpaceID
	AccountID   AccountID // "" for the installation's
	ProjectID   ProjectID // "" for an account's
	Name        string
	Title       string
	Description string
	Readers     WikiReaders
	Meta
}

// Limits of texts that people give to spaces and pages, in bytes.
const (
	maxWikiTitle       = 200
	maxWikiDescription = 1000
	maxWikiComment     = 500
)

// Normalise sets what the caller left out.
func (s *WikiSpace) Normalise() {
	if s.Title == "" {
		s.Title = s.Name
	}
	if s.Readers == "" {
		s.Readers = ReadersScope
	}
}

// Validate checks what a user may set, of a space that Normalise has completed.
func (s *WikiSpace) Validate() error {
	if err := ValidateName(KindWikiSpace, s.Name); err != nil {
		return err
	}
	if err := validateTitle(s.Title); err != nil {
		return err
	}
	switch {
	case len(s.Description) > maxWikiDescription:
		return FieldErrorf("description", "has %d bytes; at most %d are allowed", len(s.Description), maxWikiDescription)
	case !slices.Contains([]WikiReaders{ReadersScope, ReadersEveryone}, s.Readers):
		return FieldErrorf("readers", "%q are no readers; they are %s and %s", clip(string(s.Readers)), ReadersScope, ReadersEveryone)
	}
	return nil
}
