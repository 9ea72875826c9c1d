package wiki

import (
	"fmt"
	"html"
	"strings"

	"atoll/internal/cloud"
)

// fill makes the HTML of one macro. What is wrong with it is a note in the page.
func (r *run) fill(d *document, m *macro, at Place, within chain, headings []Heading) error {
	if m.err == "" {
		html, wrong, err := r.macro(d, m, at, within, headings)
		if err != nil {
			return err
		}
		m.html, m.err = []byte(html), wrong
	}
	if m.err != "" {
		m.html = []byte(m.note())
	}
	return nil
}

// element is what a macro becomes: a block or a part of a line.
func (m *macro) element() string {
	if m.block {
		return "div"
	}
	return "span"
}

// note is the error that stands in a macro's place.
func (m *macro) note() string {
	name := m.name
	if name == "" {
		name = "macro"
	}
	e := m.element()
	return tag(e, "class", "macro-error", "data-macro-error", name) + html.EscapeString(name+": "+m.err) + "</" + e + ">"
}

// macro makes the HTML of a macro, or says what is wrong with it.
func (r *run) macro(d *document, m *macro, at Place, within chain, headings []Heading) (text, wrong string, err error) {
	def, known := find(m.name)
	if !known {
		return "", "there is no such macro; the macros are " + names() + `. Write \{{ for braces that are none`, nil
	}
	if !m.block && !def.Inline {
		return "", "stands only on a line of its own", nil
	}
	v, bad := def.take(m.args, at)
	if bad != nil {
		return "", bad.Error(), nil
	}
	switch m.name {
	case "toc":
		return contents(headings, v.number("depth")), "", nil
	case "pages":
		return r.list(v, at)
	case "include":
		return r.include(splitRef(v.text("page"), at.Space), at, within)
	}
	e := m.element()
	return tag(e, "class", "macro", "data-macro", m.name, "data-args", v.JSON()) + "</" + e + ">", "", nil
}

// contents is a table of contents to the depth, as nested lists.
func contents(headings []Heading, depth int) string {
	var b strings.Builder
	b.WriteString(`<nav class="toc">`)
	var open []int // levels of the lists that are open, each with an open item
	for _, h := range headings {
		if h.Level > depth {
			continue
		}
		for len(open) > 1 && open[len(open)-2] >= h.Level {
			b.WriteString("</li></ul>")
			open = open[:len(open)-1]
		}
		if len(open) > 0 && open[len(open)-1] >= h.Level {
			b.WriteString("</li>")
			open[len(open)-1] = h.Level
		} else {
			b.WriteString("<ul>")
			open = append(open, h.Level)
		}
		b.WriteString("<li>" + tag("a", "href", "#"+h.ID) + html.EscapeString(h.Text) + "</a>")
	}
	b.WriteString(strings.Repeat("</li></ul>", len(open)))
	b.WriteString("</nav>")
	return b.String()
}

// list is the macro pages.
func (r *run) list(v values, at Place) (text, wrong string, err error) {
	if at.Space == "" {
		return "", "works on pages of a space only", nil
	}
	pages, err := r.book.Below(r.ctx, at.Space, v.text("prefix"), v.number("limit"))
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	b.WriteString(`<ul class="page-list">`)
	for _, t := range pages {
		n := pageNode{target: t}
		b.WriteString("<li>" + n.open() + html.EscapeString(t.Title) + "</a></li>")
	}
	b.WriteString("</ul>")
	return b.String(), "", nil
}

// include is the macro include: the page as the reader sees it.
func (r *run) include(ref Ref, at Place, within chain) (text, wrong string, err error) {
	if len(within) == 0 {
		within = chain{{From: at.Space, Slug: at.Slug}}
	}
	if r.includes++; r.includes > maxIncludes {
		return "", fmt.Sprintf("the page includes more than %d others", maxIncludes), nil
	}
	missing := fmt.Sprintf("there is no page %s that you may read", ref)
	if ref.From == "" || cloud.ValidateSlug(ref.Slug) != nil {
		return "", missing, nil
	}
	src, err := r.book.Source(r.ctx, ref)
	if cloud.Is(err, cloud.NotFound) {
		return "", missing, nil
	}
	if err != nil {
		return "", "", err
	}
	here := Ref{From: src.SpaceID, Slug: src.Target.Slug}
	for _, outer := range within {
		if outer == here {
			return "", fmt.Sprintf("the page includes itself: %s > %s", within, here.Slug), nil
		}
	}
	switch r.bytes += len(src.Body); {
	case len(within) > maxDepth:
		return "", fmt.Sprintf("pages include each other deeper than %d", maxDepth), nil
	case r.bytes > maxSource:
		return "", fmt.Sprintf("the page and what it includes have more than %d bytes", maxSource), nil
	case check(src.Body) != nil:
		return "", fmt.Sprintf("page %s cannot be shown", ref), nil
	}
	inner, err := r.document(src.Body, src.Place, append(within[:len(within):len(within)], here))
	if err != nil {
		return "", "", err
	}
	open := tag("section", "class", "page-include", "data-space-id", string(src.SpaceID), "data-space", src.Target.Space, "data-slug", src.Target.Slug)
	return open + "\n" + string(inner.html) + "</section>", "", nil
}
