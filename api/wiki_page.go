package api

import "encoding/json"

// WikiPage is a page of Markdown in a space. It is called a page everywhere but in
// this package, whose Page is the page of a list.
type WikiPage struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id,omitempty"`
	ProjectID string `json:"project_id,omitempty"`
	SpaceID   string `json:"space_id"`
	Space     string `json:"space" doc:"The space's name." example:"runbooks"`
	Slug      string `json:"slug" doc:"Its path in the space; index is the space's first page." example:"nodes/maintenance"`
	Title     string `json:"title" example:"Node maintenance"`
	Revision  int64  `json:"revision" doc:"Number of the newest revision."`
	Size      int64  `json:"size" doc:"Bytes of the text."`
	AuthorID  string `json:"author_id,omitempty" doc:"Who saved it last."`
	Author    string `json:"author,omitempty" doc:"His name then."`
	Body      string `json:"body,omitempty" doc:"The Markdown text; left out of lists."`
	Excerpt   string `json:"excerpt,omitempty" doc:"Text around the first hit, in answers to a search."`
	MayWrite  bool   `json:"may_write" doc:"Whether the caller may change it."`
	Meta
}

// WikiPageCreate is what a page is made from.
type WikiPageCreate struct {
	Account string `json:"account,omitempty" doc:"Id or name; where space is a name in an account or in its project."`
	Project string `json:"project,omitempty" doc:"Id or name; where space is a name in a project."`
	Space   string `json:"space" doc:"Id, or name in its scope." example:"runbooks"`
	Slug    string `json:"slug" doc:"Path in the space: 1 to 6 parts of a-z, 0-9, '.', '_' and '-' with '/' between them." example:"nodes/maintenance"`
	Title   string `json:"title,omitempty" maxLength:"200" doc:"The first heading if left out."`
	Body    string `json:"body,omitempty" doc:"Markdown, at most 262144 bytes."`
	Comment string `json:"comment,omitempty" maxLength:"500" doc:"Why; shown in the history."`
}

// WikiPageUpdate sets a page's values; what is left out stays. A change of title or
// body is a revision.
type WikiPageUpdate struct {
	Slug    *string `json:"slug,omitempty" doc:"Moves the page; links to its old place are not changed."`
	Title   *string `json:"title,omitempty" maxLength:"200"`
	Body    *string `json:"body,omitempty" doc:"Markdown, at most 262144 bytes."`
	Comment string  `json:"comment,omitempty" maxLength:"500" doc:"Why; shown in the history."`
}

// WikiRevision is a page as it was saved once.
type WikiRevision struct {
	PageID       string `json:"page_id"`
	Number       int64  `json:"number"`
	Current      bool   `json:"current"`
	Title        string `json:"title"`
	Comment      string `json:"comment,omitempty"`
	RestoredFrom int64  `json:"restored_from,omitempty" doc:"Number of the revision that was restored by it."`
	AuthorID     string `json:"author_id,omitempty"`
	Author       string `json:"author,omitempty"`
	Size         int64  `json:"size" doc:"Bytes of the text."`
	Body         string `json:"body,omitempty" doc:"The Markdown text; left out of lists."`
	CreatedAt    Time   `json:"created_at"`
}

// WikiDiff is what differs between two revisions of a page.
type WikiDiff struct {
	From    int64  `json:"from" doc:"0 is before the first revision: an empty page."`
	To      int64  `json:"to"`
	Added   int    `json:"added" doc:"Lines."`
	Removed int    `json:"removed" doc:"Lines."`
	Unified string `json:"unified" doc:"The difference in unified form; empty if there is none."`
}

// WikiRender is text to show as a page's, without saving it.
type WikiRender struct {
	Account string `json:"account,omitempty" doc:"Id or name; where space is a name in an account or in its project."`
	Project string `json:"project,omitempty" doc:"Id or name; where space is a name in a project."`
	Space   string `json:"space,omitempty" doc:"The space that links and included pages are of; none are found if left out."`
	Slug    string `json:"slug,omitempty" doc:"The page's, for relative links."`
	Body    string `json:"body" doc:"Markdown, at most 262144 bytes."`
}

// WikiHTML is a page as HTML. It has only elements, attributes and links that are
// safe in a page of the portal's origin.
type WikiHTML struct {
	HTML     string        `json:"html"`
	Title    string        `json:"title,omitempty" doc:"Text of the first heading."`
	Headings []WikiHeading `json:"headings" nullable:"false" doc:"For a table of contents."`
	Problems []WikiProblem `json:"problems" nullable:"false" doc:"What the page shows as an error: unknown macros, bad arguments, pages that are not there."`
}

// WikiHeading is one heading of a page.
type WikiHeading struct {
	Level int    `json:"level" minimum:"1" maximum:"6"`
	ID    string `json:"id" doc:"The element's id." example:"h-before-you-begin"`
	Text  string `json:"text"`
}

// WikiProblem is one thing that is wrong in a page's text.
type WikiProblem struct {
	Line    int    `json:"line,omitempty" doc:"Of the text, from 1."`
	Macro   string `json:"macro,omitempty" doc:"The macro's name, if it is about one."`
	Message string `json:"message" doc:"What is wrong and the way out."`
}

// Macro is something that is written as {{name argument=value}} in a page.
type Macro struct {
	Name      string          `json:"name" example:"machines"`
	Summary   string          `json:"summary"`
	Class     string          `json:"class" enum:"server,live" doc:"server: it is part of the page's HTML; live: the portal fills it by calls of this API as the reader."`
	Inline    bool            `json:"inline" doc:"It may stand within a line; otherwise only on a line of its own."`
	Block     bool            `json:"block" doc:"It may stand on a line of its own."`
	Arguments []MacroArgument `json:"arguments" nullable:"false"`
	OneOf     []string        `json:"one_of,omitempty" doc:"Exactly one of these arguments must be given."`
	Example   string          `json:"example" example:"{{machines account=acme state=running}}"`
}

// MacroArgument is one argument of a macro, described as in JSON Schema.
type MacroArgument struct {
	Name        string          `json:"name"`
	Type        string          `json:"type" enum:"string,integer,boolean,object"`
	Description string          `json:"description"`
	Required    bool            `json:"required,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Minimum     *int64          `json:"minimum,omitempty"`
	Maximum     *int64          `json:"maximum,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Example     string          `json:"example,omitempty"`
}
