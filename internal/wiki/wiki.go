// Package wiki turns the Markdown of pages into HTML that is safe in the portal's
// origin, whoever wrote it, and knows the macros that pages may hold.
//
// It must never read the store, decide who may read a page (a Book does that for
// the reader), or let a macro act by itself: live macros become empty elements
// that the portal fills as the reader.
package wiki

import (
	"context"
	"fmt"
	"strings"

	"atoll/internal/cloud"
)

// The limits of one page with all that it includes.
const (
	maxDepth    = 5        // of included pages in included pages
	maxIncludes = 50       // in all
	maxSource   = 1 << 20  // bytes of Markdown, in all
	maxLinks    = 1000     // links to pages that are looked up, in all
	maxNesting  = 32       // of quotes and lists
	maxLine     = 16 << 10 // bytes
	maxMarks    = 1000     // of emphasis and links in a paragraph; more are text
	maxProblems = 100
)

// Place is where a text stands: links in it are relative to it.
type Place struct {
	Space cloud.WikiSpaceID // "" for a text that is in no space
	Slug  string
	// Account and Project are the names of the space's scope: live macros that name
	// none are about them.
	Account, Project string
}

// Ref names a page from a place.
type Ref struct {
	From  cloud.WikiSpaceID
	Space string // name of another space; "" for From
	Slug  string
}

func (r Ref) String() string {
	if r.Space == "" {
		return r.Slug
	}
	return r.Space + ":" + r.Slug
}

// Target is a page that a link leads to.
type Target struct {
	SpaceID     cloud.WikiSpaceID
	Space, Slug string
	Title       string
}

// Source is a page to include.
type Source struct {
	Target
	Place
	Body string
}

// Book is what the reader may see of the pages. A page that he may not see is as
// one that is not there.
type Book interface {
	// Targets returns the pages of the refs that are there.
	Targets(ctx context.Context, refs []Ref) (map[Ref]Target, error)
	// Source returns the text of a page; NotFound if it is not there.
	Source(ctx context.Context, ref Ref) (*Source, error)
	// Below returns the first pages of the space whose slug begins with the prefix.
	Below(ctx context.Context, space cloud.WikiSpaceID, prefix string, limit int) ([]Target, error)
}

// Heading is one heading of a page.
type Heading struct {
	Level    int
	ID, Text string
}

// Problem is something that the page shows as an error.
type Problem struct {
	Line    int    // of the text, from 1; 0 if it is not known
	Macro   string // "" if it is about none
	Message string
}

// Page is a text as HTML.
type Page struct {
	HTML     string
	Title    string // text of the first heading
	Headings []Heading
	Problems []Problem
}

// Render returns the text as HTML for the reader that the book is of. What is wrong
// in the text is shown in it and never an error; errors are those of the book, and
// TooLarge and Invalid for a text that is none.
func Render(ctx context.Context, text string, at Place, book Book) (*Page, error) {
	if err := check(text); err != nil {
		return nil, err
	}
	r := &run{ctx: ctx, book: book, bytes: len(text)}
	d, err := r.document(text, at, nil)
	if err != nil {
		return nil, err
	}
	p := &Page{HTML: string(policy.SanitizeBytes(d.html)), Headings: d.headings, Problems: d.problems}
	if len(d.headings) > 0 {
		p.Title = d.headings[0].Text
	}
	return p, nil
}

// check refuses what takes the parser too long: its time grows with the square of a
// line's length, and it goes over the rest of a line for each quote and list that
// begins in it.
func check(text string) error {
	r := cloud.WikiRevision{Body: text}
	if err := r.Validate(); err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		switch {
		case len(line) > maxLine:
			return cloud.FieldErrorf("body", "line %d has %d bytes; at most %d are allowed: break it into several", n, len(line), maxLine)
		case depth(line) > maxNesting:
			return cloud.FieldErrorf("body", "line %d begins more than %d quotes and lists", n, maxNesting)
		}
	}
	return nil
}

// depth is how many quotes and lists the line may begin.
func depth(line string) int {
	sure, rule, digits := 0, 0, 0
	for _, c := range line {
		switch {
		case c == '>' || c == '+' || (c == '.' || c == ')') && digits > 0:
			sure, digits = sure+1, 0
		case c == '-' || c == '*':
			rule, digits = rule+1, 0
		case '0' <= c && c <= '9':
			digits++
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			return sure + rule
		}
	}
	return sure // the others are a line across the page
}

// Title is the text of the first heading, "" if there is none.
func Title(text string) string {
	if check(text) != nil {
		return ""
	}
	d := parse(text, "")
	if h := d.headings(); len(h) > 0 {
		return h[0].Text
	}
	return ""
}

// Check returns what Render would show as errors but for pages that are missing,
// without a reader: for tests of pages, and before they are imported.
func Check(text string) ([]Problem, error) {
	p, err := Render(context.Background(), text, Place{Space: "any", Account: "any", Project: "any"}, everywhere{})
	if err != nil {
		return nil, err
	}
	return p.Problems, nil
}

// everywhere is a book that has every page.
type everywhere struct{}

func (everywhere) Targets(_ context.Context, refs []Ref) (map[Ref]Target, error) {
	out := map[Ref]Target{}
	for _, r := range refs {
		out[r] = Target{SpaceID: r.From, Space: r.Space, Slug: r.Slug, Title: r.Slug}
	}
	return out, nil
}

func (everywhere) Source(_ context.Context, ref Ref) (*Source, error) {
	return &Source{Target: Target{SpaceID: ref.From, Space: ref.Space, Slug: ref.Slug}}, nil
}

func (everywhere) Below(context.Context, cloud.WikiSpaceID, string, int) ([]Target, error) {
	return nil, nil
}

// run is one Render: what is counted over all included pages.
type run struct {
	ctx      context.Context
	book     Book
	bytes    int
	includes int
	links    int
}

// chain is the pages in which a page is included, the innermost last.
type chain []Ref

func (c chain) String() string {
	var names []string
	for _, r := range c {
		names = append(names, r.Slug)
	}
	return strings.Join(names, " > ")
}

// prefix makes ids of the n-th included page differ from all others.
func prefix(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("i%d-", n)
}
