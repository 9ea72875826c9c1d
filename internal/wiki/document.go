package wiki

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"atoll/internal/cloud"
)

// document is one text as it is parsed.
type document struct {
	root   ast.Node
	source []byte
	prefix string // of its ids
	lines  []int  // where each line begins
}

// rendered is one text as HTML, before the policy.
type rendered struct {
	html     []byte
	headings []Heading
	problems []Problem
}

func parse(body, prefix string) *document {
	d := &document{source: []byte(body), prefix: prefix, lines: []int{0}}
	for i, c := range d.source {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	ctx := parser.NewContext(parser.WithIDs(&ids{prefix: prefix, used: map[string]bool{}, next: map[string]int{}}))
	d.root = markdown.Parser().Parse(text.NewReader(d.source), parser.WithContext(ctx))
	d.root.OwnerDocument().AddMeta(metaPrefix, prefix)
	return d
}

// metaPrefix is where a document keeps the prefix of its ids.
const metaPrefix = "prefix"

// lineAt is the number of the line with the byte.
func (d *document) lineAt(offset int) int {
	i, found := slices.BinarySearch(d.lines, offset)
	if found {
		return i + 1
	}
	return i
}

// ids makes the ids of headings: h-some-words, and h-some-words-1 for the next with
// the same words. The prefix keeps them from hiding names of the portal's scripts.
type ids struct {
	prefix string
	used   map[string]bool
	next   map[string]int // by the words, the last number that was given out
}

// Generate implements parser.IDs.
func (s *ids) Generate(value []byte, _ ast.NodeKind) []byte {
	id := s.prefix + "h-" + anchor(string(value))
	for base := id; s.used[id]; {
		s.next[base]++
		id = base + "-" + strconv.Itoa(s.next[base])
	}
	s.used[id] = true
	return []byte(id)
}

// Put implements parser.IDs.
func (s *ids) Put(value []byte) { s.used[string(value)] = true }

// maxAnchor bounds what a heading gives to its id, in bytes.
const maxAnchor = 60

// anchor makes of a heading's text what stands in its id.
func anchor(heading string) string {
	var b strings.Builder
	dash := false
	for _, c := range strings.ToLower(heading) {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			dash = b.Len() > 0
			continue
		}
		if b.Len() >= maxAnchor {
			break
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		b.WriteRune(c)
	}
	return b.String()
}

// headings returns the headings in order.
func (d *document) headings() (list []Heading) {
	d.walk(func(n ast.Node) {
		if h, ok := n.(*ast.Heading); ok {
			id, _ := h.AttributeString("id")
			b, _ := id.([]byte)
			list = append(list, Heading{Level: h.Level, ID: string(b), Text: strings.TrimSpace(plain(h, d.source))})
		}
	})
	return list
}

// walk goes over all nodes, parents first.
func (d *document) walk(visit func(n ast.Node)) {
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // visit has no error
		if entering {
			visit(n)
		}
		return ast.WalkContinue, nil
	})
}

// plain is the text of a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch v := n.(type) {
		case *ast.Text:
			b.Write(util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(v.Segment.Value(source)))))
			if v.SoftLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(v.Value)
		case *pageNode:
			b.WriteString(v.label())
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// document renders one text at its place, within the pages that include it.
func (r *run) document(body string, at Place, within chain) (*rendered, error) {
	d := parse(body, prefix(r.includes))
	out := &rendered{headings: d.headings()}
	problem := func(line int, macro, message string) {
		if len(out.problems) < maxProblems {
			out.problems = append(out.problems, Problem{line, macro, message})
		}
	}
	links := d.pageLinks(at, problem)
	if err := r.lookUp(d, links, problem); err != nil {
		return nil, err
	}
	for _, m := range d.macros() {
		if err := r.fill(d, m, at, within, out.headings); err != nil {
			return nil, err
		}
		if m.err != "" {
			problem(d.lineAt(m.offset), m.name, m.err)
		}
	}
	slices.SortStableFunc(out.problems, func(a, b Problem) int { return a.Line - b.Line })
	var html bytes.Buffer
	if err := markdown.Renderer().Render(&html, d.source, d.root); err != nil {
		return nil, fmt.Errorf("render a page: %w", err)
	}
	out.html = html.Bytes()
	return out, nil
}

// lookUp finds the pages that the links lead to.
func (r *run) lookUp(d *document, links []*pageNode, problem func(int, string, string)) error {
	var refs []Ref
	asked := map[Ref]bool{}
	for _, l := range links {
		if l.ref.From == "" || cloud.ValidateSlug(l.ref.Slug) != nil || asked[l.ref] {
			continue
		}
		if r.links++; r.links > maxLinks {
			break
		}
		asked[l.ref] = true
		refs = append(refs, l.ref)
	}
	found := map[Ref]Target{}
	if len(refs) > 0 {
		var err error
		if found, err = r.book.Targets(r.ctx, refs); err != nil {
			return err
		}
	}
	for _, l := range links {
		t, ok := found[l.ref]
		if ok {
			l.target = t
			continue
		}
		l.missing = true
		problem(d.lineAt(l.offset), "", fmt.Sprintf("there is no page %s that you may read; correct the link, or make the page", l.ref))
	}
	return nil
}
