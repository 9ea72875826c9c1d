package wiki

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/util"

	"atoll/internal/cloud"
)

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// target of a link or an image, as address finds it.
type address struct {
	href     string // what to write; "" if it must not be followed
	page     string // a path relative to the page, which names another page
	fragment string // of page; alone it is a heading of this page
	outside  bool   // it leads out of the portal
}

// readAddress says what may become of an address in a text. Whatever it does not
// know is refused: only http, https and mailto, paths of the portal, and pages.
func readAddress(written []byte) address {
	s := strings.TrimSpace(string(util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(written)))))
	if !utf8.ValidString(s) || strings.ContainsRune(s, '\\') || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return address{}
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil {
		return address{}
	}
	switch named := scheme.MatchString(s); {
	case named && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return address{href: u.String(), outside: true}
	case named && u.Scheme == "mailto" && u.Opaque != "":
		return address{href: u.String(), outside: true}
	case named, u.Scheme != "", strings.HasPrefix(s, "//"), u.Host != "":
		return address{}
	case strings.HasPrefix(s, "/"):
		return address{href: u.String()}
	case u.RawQuery != "" || u.ForceQuery:
		return address{}
	}
	return address{page: u.Path, fragment: u.Fragment}
}

// slugAt is the slug of a page from the path that a link gives, relative to the
// folder of the page at the place. The ending .md is that of a file in a folder.
func slugAt(at Place, relative string) string {
	p := path.Join(path.Dir("/"+at.Slug), strings.TrimSuffix(relative, ".md"))
	return strings.TrimPrefix(p, "/")
}

// fragmentID is the id of the heading that a fragment names, with or without h-.
func fragmentID(prefix, fragment string) string {
	return prefix + "h-" + anchor(strings.TrimPrefix(fragment, "h-"))
}

// pageLinks returns the links to pages, and makes such of ordinary links with a
// relative address. Other addresses that cannot be followed are problems.
func (d *document) pageLinks(at Place, problem func(int, string, string)) (list []*pageNode) {
	var relative []*ast.Link
	d.walk(func(n ast.Node) {
		switch v := n.(type) {
		case *pageNode:
			v.ref.From = at.Space
			list = append(list, v)
		case *ast.Link:
			a := readAddress(v.Destination)
			switch {
			case a.page != "":
				relative = append(relative, v)
			case a.href == "" && a.fragment == "":
				problem(d.lineOf(v), "", "the link to "+clip(string(v.Destination))+" is not shown: links lead to http, https, mailto, a path of the portal, or a page")
			}
		case *ast.Image:
			if a := readAddress(v.Destination); !a.image() {
				problem(d.lineOf(v), "", "the image "+clip(string(v.Destination))+" is not shown: images come from https addresses")
			}
		}
	})
	for _, l := range relative {
		a := readAddress(l.Destination)
		p := &pageNode{link: link{ref: Ref{From: at.Space, Slug: slugAt(at, a.page)}, fragment: a.fragment}, offset: d.offset(l)}
		for c := l.FirstChild(); c != nil; c = l.FirstChild() {
			p.AppendChild(p, c)
		}
		l.Parent().ReplaceChild(l.Parent(), l, p)
		list = append(list, p)
	}
	return list
}

// image reports whether an image may be shown from the address.
func (a *address) image() bool { return strings.HasPrefix(a.href, "https://") }

// offset is where the node's text begins, or that of the block that it is in; 0 if
// it has none.
func (d *document) offset(n ast.Node) int {
	for c := n.FirstChild(); c != nil; c = c.FirstChild() {
		if t, ok := c.(*ast.Text); ok {
			return t.Segment.Start
		}
	}
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Type() == ast.TypeBlock && p.Lines() != nil && p.Lines().Len() > 0 {
			return p.Lines().At(0).Start
		}
	}
	return 0
}

func (d *document) lineOf(n ast.Node) int { return d.lineAt(d.offset(n)) }

// splitRef reads space:slug or slug.
func splitRef(s string, from cloud.WikiSpaceID) Ref {
	space, slug, ok := strings.Cut(s, ":")
	if !ok {
		return Ref{From: from, Slug: s}
	}
	return Ref{From: from, Space: space, Slug: slug}
}
