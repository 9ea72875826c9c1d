package cloud

import (
	"net/url"
	"regexp"
	"slices"
	"unicode/utf8"
)

// SecondFactorRule says who must have a second factor to sign in with a password.
type SecondFactorRule string

// The rules.
const (
	SecondFactorNone  SecondFactorRule = "none"
	SecondFactorStaff SecondFactorRule = "staff" // who has a role on the installation
	SecondFactorAll   SecondFactorRule = "all"
)

// SecondFactorRules lists them.
var SecondFactorRules = []SecondFactorRule{SecondFactorNone, SecondFactorStaff, SecondFactorAll}

// DefaultDisplayName is the name of an installation that has none of its own.
const DefaultDisplayName = "Atoll"

// Settings are what the installation's admins set for all. There is one row.
type Settings struct {
	DisplayName  string
	Accent       string // #rrggbb; "" for the product's own
	Links        []PageLink
	Notice       string // plain text above the sign-in form
	SecondFactor SecondFactorRule
	Logo         string // identifies the logo's content; "" for none
	Meta
}

// PageLink is a link to a page elsewhere.
type PageLink struct{ Label, URL string }

// Logo is a picture for the sign-in page and the portal.
type Logo struct {
	Type string // its media type
	Body []byte
}

// Media types of logos.
const (
	LogoSVG = "image/svg+xml"
	LogoPNG = "image/png"
)

// MaxLogo is the largest logo in bytes.
const MaxLogo = 256 << 10

var colour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// Validate checks what an admin may set.
func (s *Settings) Validate() error {
	const maxName, maxLinks, maxNotice = 60, 10, 2000
	switch {
	case utf8.RuneCountInString(s.DisplayName) > maxName || !printable(s.DisplayName, ""):
		return FieldErrorf("display_name", "must have at most %d characters, all printable", maxName)
	case s.Accent != "" && !colour.MatchString(s.Accent):
		return FieldErrorf("accent", "%q is no colour such as #0f6fd1", clip(s.Accent))
	case len(s.Links) > maxLinks:
		return FieldErrorf("links", "are %d; at most %d are shown", len(s.Links), maxLinks)
	case utf8.RuneCountInString(s.Notice) > maxNotice || !printable(s.Notice, "\n\t"):
		return FieldErrorf("notice", "must have at most %d characters, all printable", maxNotice)
	case !slices.Contains(SecondFactorRules, s.SecondFactor):
		return FieldErrorf("second_factor", "%q is none of %v", s.SecondFactor, SecondFactorRules)
	}
	for _, l := range s.Links {
		if err := l.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (l PageLink) validate() error {
	const maxLabel, maxURL = 60, 2000
	if l.Label == "" || utf8.RuneCountInString(l.Label) > maxLabel || !printable(l.Label, "") {
		return FieldErrorf("links", "the label %q must have 1 to %d characters, all printable", clip(l.Label), maxLabel)
	}
	u, err := url.Parse(l.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(l.URL) > maxURL {
		return FieldErrorf("links", "%q is no address of a page such as https://status.example.com", clip(l.URL))
	}
	return nil
}

// WantsSecondFactor reports whether the user must have a second factor.
func (s *Settings) WantsSecondFactor(u *User) bool {
	switch {
	case u.IsService():
		return false
	case s.SecondFactor == SecondFactorStaff:
		return u.Role != ""
	}
	return s.SecondFactor == SecondFactorAll
}
