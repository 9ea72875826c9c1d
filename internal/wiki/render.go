package wiki

import (
	"html"
	"net/url"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// nodes renders our own nodes, and links and images, whose addresses it reads again
// since the text is not to be trusted: what readAddress refuses is only its text.
type nodes struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(kindPage, renderPage)
	r.Register(kindMacroBlock, renderMacro)
	r.Register(kindMacroInline, renderMacro)
	r.Register(ast.KindLink, renderLink)
	r.Register(ast.KindAutoLink, renderAutoLink)
	r.Register(ast.KindImage, renderImage)
}

func renderMacro(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		switch v := n.(type) {
		case *macroBlock:
			w.Write(v.html) // a bytes.Buffer is behind it, as behind all writers here
			w.WriteByte('\n')
		case *macroInline:
			w.Write(v.html)
		}
	}
	return ast.WalkSkipChildren, nil
}

func renderPage(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	p := n.(*pageNode)
	if entering {
		w.WriteString(p.open())
		w.WriteString(html.EscapeString(p.label()))
	} else {
		w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

// pagePath is where the portal shows a page.
func pagePath(t Target) string {
	parts := []string{"", "pages", url.PathEscape(string(t.SpaceID))}
	for p := range strings.SplitSeq(t.Slug, "/") {
		parts = append(parts, url.PathEscape(p))
	}
	return strings.Join(parts, "/")
}

func (n *pageNode) open() string {
	t, class := n.target, "page-link"
	if n.missing {
		class += " page-missing"
		t = Target{SpaceID: n.ref.From, Space: n.ref.Space, Slug: n.ref.Slug}
	}
	href := ""
	if t.SpaceID != "" && (!n.missing || n.ref.Space == "") { // where one may make it
		href = pagePath(t)
		if n.fragment != "" {
			href += "#" + url.PathEscape(fragmentID("", n.fragment))
		}
	}
	return tag("a", "class", class, "data-space-id", string(t.SpaceID), "data-space", t.Space, "data-slug", t.Slug, "href", href)
}

// tag is an opening tag; attributes that are empty are left out.
func tag(name string, attrs ...string) string {
	var b strings.Builder
	b.WriteString("<" + name)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			b.WriteString(" " + attrs[i] + `="` + html.EscapeString(attrs[i+1]) + `"`)
		}
	}
	b.WriteByte('>')
	return b.String()
}

// rel is what links that lead out of the portal carry.
const rel = "nofollow noopener noreferrer"

func renderLink(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	l := n.(*ast.Link)
	a := readAddress(l.Destination)
	href, out := a.href, ""
	if a.outside {
		out = rel
	}
	if href == "" && a.page == "" && a.fragment != "" {
		p, _ := n.OwnerDocument().Meta()[metaPrefix].(string)
		href = "#" + fragmentID(p, a.fragment)
	}
	switch {
	case href == "": // only its text
	case entering:
		w.WriteString(tag("a", "href", href, "rel", out, "title", string(l.Title)))
	default:
		w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

func renderAutoLink(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	l := n.(*ast.AutoLink)
	written := string(l.URL(source))
	if l.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(written), "mailto:") {
		written = "mailto:" + written
	}
	label := html.EscapeString(string(l.Label(source)))
	if a := readAddress([]byte(written)); a.href != "" {
		label = tag("a", "href", a.href, "rel", rel) + label + "</a>"
	}
	w.WriteString(label)
	return ast.WalkContinue, nil
}

func renderImage(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	i := n.(*ast.Image)
	alt := plain(i, source)
	if a := readAddress(i.Destination); a.image() {
		w.WriteString(tag("img", "src", a.href, "alt", alt, "title", string(i.Title), "loading", "lazy", "referrerpolicy", "no-referrer"))
	} else {
		w.WriteString(html.EscapeString(alt))
	}
	return ast.WalkSkipChildren, nil
}

// classes are all that an element may have.
const classes = `^(page-link|page-link page-missing|page-include|page-list|macro|macro-error|toc|footnotes|footnote-ref|footnote-backref|language-[A-Za-z0-9_+#.-]{1,40})$`

// policy is the last word on what leaves this package: whatever the parser, its
// extensions and this package make of a text, only these elements and attributes
// are in the answer.
var policy = newPolicy()

func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements(
		"p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "del",
		"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "sup", "section", "nav", "div", "span",
	)
	id := regexp.MustCompile(`^[\p{L}\p{N}:-]{1,120}$`)
	p.AllowAttrs("id").Matching(id).OnElements("h1", "h2", "h3", "h4", "h5", "h6", "li", "sup")
	p.AllowAttrs("class").Matching(regexp.MustCompile(classes)).OnElements("a", "div", "span", "section", "nav", "ul", "code")
	p.AllowAttrs("data-macro", "data-args", "data-macro-error").OnElements("div", "span")
	p.AllowAttrs("data-space-id", "data-space", "data-slug").OnElements("a", "section")
	p.AllowAttrs("href", "title").OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile("^" + rel + "$")).OnElements("a")
	p.AllowAttrs("role").Matching(regexp.MustCompile(`^doc-(noteref|backlink|endnotes)$`)).OnElements("a", "div")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	p.AllowAttrs("src").Matching(regexp.MustCompile(`^https://`)).OnElements("img")
	p.AllowAttrs("alt", "title").OnElements("img")
	p.AllowAttrs("loading").Matching(regexp.MustCompile(`^lazy$`)).OnElements("img")
	p.AllowAttrs("referrerpolicy").Matching(regexp.MustCompile(`^no-referrer$`)).OnElements("img")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input")
	p.AllowAttrs("checked", "disabled").Matching(regexp.MustCompile(`^$`)).OnElements("input")
	return p
}
