package cloud

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// WikiPage is a page of a space. Its text is that of its newest revision.
type WikiPage struct {
	ID         WikiPageID
	AccountID  AccountID // as the space's
	ProjectID  ProjectID
	SpaceID    WikiSpaceID
	Slug       string // its path in the space
	Title      string
	Revision   int64 // number of the newest one
	Size       int64 // bytes of the text
	AuthorID   UserID
	AuthorName string
	Meta
}

// WikiRevision is a page as it was saved once. Rows are append-only but for Current.
type WikiRevision struct {
	ID           RevisionID
	PageID       WikiPageID
	Number       int64 // from 1, without gaps in what is kept
	Current      bool
	Title        string
	Comment      string
	RestoredFrom int64 // number of the revision that it brought back; 0 for none
	AuthorID     UserID
	AuthorName   string
	Size         int64
	Body         string // "" where a list leaves it out
	CreatedAt    Time
}

// FrontPage is the slug of a space's first page.
const FrontPage = "index"

// MaxWikiBody is the longest text of a page in bytes.
const MaxWikiBody = 256 << 10

// maxSlugParts and maxSlug bound the path of a page.
const (
	maxSlugParts = 6
	maxSlug      = 200
)

var slugPart = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

// ValidateSlug checks the path of a page in its space.
func ValidateSlug(slug string) error {
	if slug == "" {
		return FieldErrorf("slug", "is required: the path of the page in its space, such as nodes/maintenance")
	}
	parts := strings.Split(slug, "/")
	fits := len(slug) <= maxSlug && len(parts) <= maxSlugParts
	for _, p := range parts {
		fits = fits && slugPart.MatchString(p)
	}
	switch {
	case !fits:
		return FieldErrorf("slug", "%q does not fit: it is 1 to %d parts with '/' between them, each of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit, %d bytes in all",
			clip(slug), maxSlugParts, maxSlug)
	case IsID(slug):
		return FieldErrorf("slug", "%q has the shape of an id; choose another one", slug)
	}
	return nil
}

// Validate checks what a user may set.
func (p *WikiPage) Validate() error {
	if err := ValidateSlug(p.Slug); err != nil {
		return err
	}
	return validateTitle(p.Title)
}

// Validate checks what a user may set.
func (r *WikiRevision) Validate() error {
	switch {
	case len(r.Comment) > maxWikiComment || !printable(r.Comment, ""):
		return FieldErrorf("comment", "is one line of at most %d bytes", maxWikiComment)
	case len(r.Body) > MaxWikiBody:
		e := Errorf(TooLarge, "has %d bytes; a page has at most %d: make several of it and include them", len(r.Body), MaxWikiBody)
		e.Field = "body"
		return e
	case !utf8.ValidString(r.Body) || strings.ContainsRune(r.Body, 0):
		return FieldErrorf("body", "is no UTF-8 text")
	}
	return nil
}

func validateTitle(title string) error {
	if title == "" || len(title) > maxWikiTitle || !printable(title, "") {
		return FieldErrorf("title", "is one line of 1 to %d bytes, without control characters and marks that turn the direction of text", maxWikiTitle)
	}
	return nil
}
