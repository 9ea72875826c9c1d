package wiki

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
)

// shelf is a book of pages by space:slug, all in one scope.
type shelf map[string]string

func (s shelf) find(ref Ref) (Target, bool) {
	space := ref.Space
	if space == "" {
		space = string(ref.From)
	}
	body, ok := s[space+":"+ref.Slug]
	title, _, _ := strings.Cut(strings.TrimPrefix(body, "# "), "\n")
	return Target{SpaceID: cloud.WikiSpaceID(space), Space: space, Slug: ref.Slug, Title: title}, ok
}

func (s shelf) Targets(_ context.Context, refs []Ref) (map[Ref]Target, error) {
	out := map[Ref]Target{}
	for _, r := range refs {
		if t, ok := s.find(r); ok {
			out[r] = t
		}
	}
	return out, nil
}

func (s shelf) Source(_ context.Context, ref Ref) (*Source, error) {
	t, ok := s.find(ref)
	if !ok {
		return nil, cloud.Errorf(cloud.NotFound, "there is no page %s", ref)
	}
	return &Source{Target: t, Place: Place{Space: t.SpaceID, Slug: t.Slug, Account: "acme"}, Body: s[t.Space+":"+t.Slug]}, nil
}

func (s shelf) Below(_ context.Context, space cloud.WikiSpaceID, prefix string, limit int) (list []Target, err error) {
	for _, slug := range []string{"a", "deep/er", "deep/est", "long"} {
		if t, ok := s.find(Ref{From: space, Slug: slug}); ok && strings.HasPrefix(slug, prefix) && len(list) < limit {
			list = append(list, t)
		}
	}
	return list, nil
}

var books = shelf{
	"ops:a":        "# Page A\nhello [[deep/er]]",
	"ops:deep/er":  "# Deeper\nsee [A](../a.md), [est](est#part-1)",
	"ops:deep/est": "# Deepest\n{{include page=deep/er}}",
	"ops:loop":     "{{include page=loop2}}",
	"ops:loop2":    "{{include page=ops:loop}}",
	"other:b":      "# B\n## Steps\n{{toc}}\n\n{{machines}}\n\nsee [[c]] and [x](#steps)",
}

func render(t *testing.T, text string) *Page {
	t.Helper()
	p, err := Render(t.Context(), text, Place{Space: "ops", Slug: "deep/here", Account: "acme", Project: "shop"}, books)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRender(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"emphasis", "a *b* **c** ~~d~~ `e`", "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e</code></p>\n"},
		{"heading", "# Before you begin\n## Before you begin", "<h1 id=\"h-before-you-begin\">Before you begin</h1>\n<h2 id=\"h-before-you-begin-1\">Before you begin</h2>\n"},
		{"table", "| a | b |\n|--|:-:|\n| 1 | 2 |", "<table>\n<thead>\n<tr>\n<th>a</th>\n<th align=\"center\">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td align=\"center\">2</td>\n</tr>\n</tbody>\n</table>\n"},
		{"task", "- [x] done", "<ul>\n<li><input checked=\"\" disabled=\"\" type=\"checkbox\"> done</li>\n</ul>\n"},
		{"code", "```go\na := `<b>` // {{toc}} [[a]]\n```", "<pre><code class=\"language-go\">a := `&lt;b&gt;` // {{toc}} [[a]]\n</code></pre>\n"},
		{"html is text", "<b onclick=x>a</b>", "<p>&lt;b onclick=x&gt;a&lt;/b&gt;</p>\n"},
		{"autolink", "see https://example.com/a?b=c&d.", "<p>see <a href=\"https://example.com/a?b=c&amp;d\" rel=\"nofollow noopener noreferrer\">https://example.com/a?b=c&amp;d</a>.</p>\n"},
		{"mail", "<ops@example.com>", "<p><a href=\"mailto:ops@example.com\" rel=\"nofollow noopener noreferrer\">ops@example.com</a></p>\n"},
		{"image", "![a *b*](https://example.com/x.png \"t\")", "<p><img src=\"https://example.com/x.png\" alt=\"a b\" title=\"t\" loading=\"lazy\" referrerpolicy=\"no-referrer\"></p>\n"},
		{"image that is refused", "![alt](http://example.com/x.png)", "<p>alt</p>\n"},
		{"portal link", "[n](/nodes/1?x=y)", "<p><a href=\"/nodes/1?x=y\">n</a></p>\n"},
		{"heading link", "[n](#Before-You)", "<p><a href=\"#h-before-you\">n</a></p>\n"},
		{"page link", "[[a]] [[a|*x*]] [[a#part 1]] [[a#part-1]]", "<p><a class=\"page-link\" data-space-id=\"ops\" data-space=\"ops\" data-slug=\"a\" href=\"/pages/ops/a\">Page A</a> <a class=\"page-link\" data-space-id=\"ops\" data-space=\"ops\" data-slug=\"a\" href=\"/pages/ops/a\">*x*</a> [[a#part 1]] <a class=\"page-link\" data-space-id=\"ops\" data-space=\"ops\" data-slug=\"a\" href=\"/pages/ops/a#h-part-1\">Page A</a></p>\n"},
		{"page of another space", "[[other:b]]", "<p><a class=\"page-link\" data-space-id=\"other\" data-space=\"other\" data-slug=\"b\" href=\"/pages/other/b\">B</a></p>\n"},
		{"relative link", "[**A**](../a.md#one)", "<p><a class=\"page-link\" data-space-id=\"ops\" data-space=\"ops\" data-slug=\"a\" href=\"/pages/ops/a#h-one\"><strong>A</strong></a></p>\n"},
		{"missing page", "[[none]]", "<p><a class=\"page-link page-missing\" data-space-id=\"ops\" data-slug=\"none\" href=\"/pages/ops/none\">none</a></p>\n"},
		{"not a page link", "[[1]](https://example.com)", "<p><a href=\"https://example.com\" rel=\"nofollow noopener noreferrer\">[1]</a></p>\n"},
		{"live block", "{{machines state=running limit=3}}", "<div class=\"macro\" data-macro=\"machines\" data-args=\"{&#34;account&#34;:&#34;acme&#34;,&#34;limit&#34;:3,&#34;state&#34;:&#34;running&#34;}\"></div>\n"},
		{"live inline", "it is {{status node=node-1}}.", "<p>it is <span class=\"macro\" data-macro=\"status\" data-args=\"{&#34;account&#34;:&#34;acme&#34;,&#34;node&#34;:&#34;node-1&#34;}\"></span>.</p>\n"},
		{"object", `{{run script=a all=true args="{\"n\": [1]}"}}`, "<div class=\"macro\" data-macro=\"run\" data-args=\"{&#34;all&#34;:true,&#34;args&#34;:{&#34;n&#34;:[1]},&#34;script&#34;:&#34;a&#34;}\"></div>\n"},
		{"after a paragraph", "text\n{{quota}}\nmore", "<p>text</p>\n<div class=\"macro\" data-macro=\"quota\" data-args=\"{&#34;account&#34;:&#34;acme&#34;}\"></div>\n<p>more</p>\n"},
		{"inline only", "{{link kind=node name=node-1}}", "<p><span class=\"macro\" data-macro=\"link\" data-args=\"{&#34;account&#34;:&#34;acme&#34;,&#34;kind&#34;:&#34;node&#34;,&#34;name&#34;:&#34;node-1&#34;}\"></span></p>\n"},
		{"escaped", "\\{{toc}}", "<p>{{toc}}</p>\n"},
		{"no end", "a {{toc", "<p>a {{toc</p>\n"},
		{"in code", "`{{toc}}`", "<p><code>{{toc}}</code></p>\n"},
		{"toc", "{{toc}}\n# A\n### B\n## C\n#### D", "<nav class=\"toc\"><ul><li><a href=\"#h-a\">A</a><ul><li><a href=\"#h-b\">B</a></li><li><a href=\"#h-c\">C</a></li></ul></li></ul></nav>\n<h1 id=\"h-a\">A</h1>\n<h3 id=\"h-b\">B</h3>\n<h2 id=\"h-c\">C</h2>\n<h4 id=\"h-d\">D</h4>\n"},
		{"pages", "{{pages prefix=deep/ limit=1}}", "<ul class=\"page-list\"><li><a class=\"page-link\" data-space-id=\"ops\" data-space=\"ops\" data-slug=\"deep/er\" href=\"/pages/ops/deep/er\">Deeper</a></li></ul>\n"},
		{"include", "# Steps\n{{include page=other:b}}", "<h1 id=\"h-steps\">Steps</h1>\n<section class=\"page-include\" data-space-id=\"other\" data-space=\"other\" data-slug=\"b\">\n<h1 id=\"i1-h-b\">B</h1>\n<h2 id=\"i1-h-steps\">Steps</h2>\n<nav class=\"toc\"><ul><li><a href=\"#i1-h-b\">B</a><ul><li><a href=\"#i1-h-steps\">Steps</a></li></ul></li></ul></nav>\n<div class=\"macro\" data-macro=\"machines\" data-args=\"{&#34;account&#34;:&#34;acme&#34;,&#34;limit&#34;:10}\"></div>\n<p>see <a class=\"page-link page-missing\" data-space-id=\"other\" data-slug=\"c\" href=\"/pages/other/c\">c</a> and <a href=\"#i1-h-steps\">x</a></p>\n</section>\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, render(t, tt.in).HTML); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// What is wrong in a text is shown in its place, with the way out, and listed with
// its line; the rest of the page is there.
func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		line     int
		macro    string
		want     string // part of the message
	}{
		{"unknown macro", "a\n\n{{machinez}}", 3, "machinez", "there is no such macro; the macros are action,"},
		{"unknown argument", "{{machines acount=x}}", 1, "machines", `"acount" is no argument of machines; they are account, cloudspace, state, limit`},
		{"no argument", "{{machines acme}}", 1, "machines", "write name=value"},
		{"twice", "{{machines limit=1 limit=2}}", 1, "machines", "limit is given twice"},
		{"no word", "{{machines state=runing}}", 1, "machines", `"runing" is none of creating,`},
		{"number", "{{machines limit=1000}}", 1, "machines", "limit: must be a number from 1 to 100"},
		{"not closed", `{{machines account="x}}`, 1, "machines", "no closing quote"},
		{"one of", "{{status}}", 1, "status", "give exactly one of deployment, machine, node"},
		{"one of two", "{{run script=x node=a role=compute}}", 1, "run", "exactly one of"},
		{"required", "{{run all=true}}", 1, "run", "script is required"},
		{"object", `{{run script=x all=true args="[]"}}`, 1, "run", "must be a JSON object"},
		{"no macro", "a {{ .Values.x }}", 1, "", "is no macro: it is written"},
		{"within a line", "see {{machines}}", 1, "machines", "only on a line of its own"},
		{"missing page", "x\ny [[none]]", 2, "", "no page none that you may read"},
		{"missing include", "{{include page=none}}", 1, "include", "no page none that you may read"},
		{"other scheme", "[x](javascript:alert)", 1, "", "links lead to http"},
		{"image", "![x](http://example.com/x.png)", 1, "", "images come from https"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := render(t, tt.in+"\n\nrest")
			if len(p.Problems) != 1 || p.Problems[0].Line != tt.line || p.Problems[0].Macro != tt.macro || !strings.Contains(p.Problems[0].Message, tt.want) {
				t.Errorf("problems = %+v", p.Problems)
			}
			if !strings.Contains(p.HTML, "rest</p>") {
				t.Errorf("the rest is missing: %s", p.HTML)
			}
		})
	}
}

func TestIncludeLimits(t *testing.T) {
	if p := render(t, "{{include page=loop}}"); !strings.Contains(p.HTML, "the page includes itself: deep/here &gt; loop &gt; loop2 &gt; loop") {
		t.Error(p.HTML)
	}
	if p := render(t, strings.Repeat("{{include page=a}}\n", maxIncludes+1)); !strings.Contains(p.HTML, "includes more than 50 others") {
		t.Error(p.HTML)
	}
}

// Each macro's example is valid.
func TestExamples(t *testing.T) {
	for _, m := range Macros() {
		if list, err := Check(m.Example); err != nil || len(list) > 0 {
			t.Errorf("%s: %v, %v", m.Example, list, err)
		}
	}
}

// The pages that are shipped as examples show no errors.
func TestExamplePages(t *testing.T) {
	n := 0
	err := filepath.WalkDir("../../examples/pages", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, body, _ := strings.Cut(strings.TrimPrefix(string(text), "---\n"), "\n---\n")
		list, err := Check(body)
		if err != nil || len(list) > 0 {
			t.Errorf("%s: %+v, %v", path, list, err)
		}
		return nil
	})
	if err != nil || n < 4 {
		t.Errorf("%d pages, %v", n, err)
	}
}

// The page about pages has the macros and their arguments as they are.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/pages.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Macros() {
		var args []string
		for _, a := range m.Args {
			args = append(args, "`"+a.Name+"`")
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s |", m.Name, m.Class, strings.Join(args, " "), m.Summary)
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/pages.md has not the row\n%s", row)
		}
	}
}
