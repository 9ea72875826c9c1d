package wiki

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// allowed are the elements and attributes that a page's HTML may have: a second
// list, by another hand than the policy's.
var allowed = map[string]string{
	"p": "", "br": "", "hr": "", "ul": "class", "ol": "start", "li": "id", "blockquote": "", "pre": "", "code": "class",
	"em": "", "strong": "", "del": "", "h1": "id", "h2": "id", "h3": "id", "h4": "id", "h5": "id", "h6": "id",
	"table": "", "thead": "", "tbody": "", "tr": "", "th": "align", "td": "align", "sup": "id",
	"section": "class data-space-id data-space data-slug", "nav": "class",
	"div": "class role data-macro data-args data-macro-error", "span": "class data-macro data-args data-macro-error",
	"a":   "href title rel class role data-space-id data-space data-slug",
	"img": "src alt title loading referrerpolicy", "input": "type checked disabled",
}

// unsafe says what in the HTML could do harm, as a browser would read it; "" if
// nothing could.
func unsafe(text string) string {
	root, err := html.Parse(strings.NewReader("<!DOCTYPE html><html><head></head><body><main>" + text + "</main></body></html>"))
	if err != nil {
		return err.Error()
	}
	var main *html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "main" {
			main = n
		}
	}
	if next := main.NextSibling; next != nil {
		return "the page ends its own element"
	}
	for n := range main.Descendants() {
		switch n.Type {
		case html.TextNode:
		case html.ElementNode:
			attrs, ok := allowed[n.Data]
			if !ok || n.Namespace != "" {
				return "element " + n.Data
			}
			for _, a := range n.Attr {
				if a.Namespace != "" || !slices.Contains(strings.Fields(attrs), a.Key) {
					return "attribute " + n.Data + " " + a.Key
				}
				if bad := unsafeValue(n.Data, a); bad != "" {
					return bad
				}
			}
		default:
			return fmt.Sprintf("node of type %d: %q", n.Type, n.Data)
		}
	}
	return ""
}

func unsafeValue(element string, a html.Attribute) string {
	switch a.Key {
	case "href", "src":
		// As a browser does before it reads an address: without spaces around it,
		// and without any tabs and ends of lines.
		s := strings.Map(func(r rune) rune {
			if r == '\t' || r == '\n' || r == '\r' {
				return -1
			}
			return r
		}, strings.TrimFunc(a.Val, func(r rune) bool { return r <= ' ' }))
		u, err := url.Parse(s)
		if err != nil {
			return "address " + s
		}
		path := strings.HasPrefix(s, "#") || strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.ContainsRune(s, '\\')
		if element == "img" && u.Scheme != "https" || u.Scheme == "" && !path || !slices.Contains([]string{"", "http", "https", "mailto"}, u.Scheme) {
			return "address " + s
		}
	case "id":
		if !strings.Contains(a.Val, "h-") && !strings.Contains(a.Val, "fn") {
			return "id " + a.Val
		}
	case "data-args":
		var v map[string]any
		if err := json.Unmarshal([]byte(a.Val), &v); err != nil {
			return "arguments " + a.Val
		}
	case "type":
		if a.Val != "checkbox" {
			return "input " + a.Val
		}
	}
	return ""
}

// attacks are what people try against pages of Markdown and macros: the usual
// lists (OWASP's on filters, those of Markdown renderers), written anew for what
// this package reads.
func attacks(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/attacks.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for a := range strings.SplitSeq(string(text), "\n--\n") {
		list = append(list, strings.TrimSuffix(a, "\n"))
	}
	return list
}

func TestAttacks(t *testing.T) {
	list := attacks(t)
	if len(list) < 100 {
		t.Fatalf("only %d attacks", len(list))
	}
	for _, a := range list {
		for _, form := range []string{a, "> " + a, "- " + a, "# " + a, "| a |\n|--|\n| " + a + " |", "[^1]\n\n[^1]: " + a, "**" + a + "**", "[" + a + "](https://example.com)"} {
			p := render(t, form)
			if bad := unsafe(p.HTML); bad != "" {
				t.Errorf("%s\n from: %s\n html: %s", bad, form, p.HTML)
			}
			if p.Title != "" && strings.Contains(p.Title, "\x00") {
				t.Errorf("title %q", p.Title)
			}
		}
	}
}

// The second list finds what it should.
func TestUnsafe(t *testing.T) {
	for _, bad := range []string{
		`<script>x</script>`, `<p onclick="x">`, `<a href="javascript:x">`, `<a href=" java&#10;script:x">`, `<a href="//evil">`, `<img src="/x">`,
		`<svg><a href="/x"></svg>`, `<!-- x -->`, `</main><p>`, `<p style="x">`, `<h1 id="location">`, `<div data-macro="x" data-args="x">`, `<iframe>`,
	} {
		if unsafe(bad) == "" {
			t.Errorf("%s passes", bad)
		}
	}
}

// No text takes long: the parser's time must not grow with the square of the size.
func TestSlowTexts(t *testing.T) {
	const size = 32 << 10
	// In lines as long as they may be, and in one paragraph of short lines.
	fill := func(s string, line int) string {
		one := strings.Repeat(s, line/len(s))
		if !strings.HasSuffix(one, "\n") {
			one += "\n"
		}
		return strings.Repeat(one, size/len(one))
	}
	for _, s := range []string{
		"[", "![", "]", "(", "[a](", "[a](b", "*a ", "**a", "_a_", "*a_ ", "`", "`a", "~~a", "<", "<a", "<a@", "&", "\\", "{{", "{{a ", "{{a b=\"", "{{toc}}", "{{toc}}\n",
		"[[", "[[a", "[[a]]", "[[a]] ", "[[a|", "[^", "[^1]", "[^1]: a\n", "[^1]:", "# a\n", "a\n=\n", "| a ", "| a |\n|-|\n", "|", "a|b\n-|-\n", "https://a.b ", "www.", "a@b.c ",
		"- a\n", "1. a\n", "> a\n", "    a\n", "\t", "```\n", "```a\n", "~~~", "[a]: b\n", "[a]\n", "\n", " \n", "a\\\n", "é", "\u2028", "* * *\n", "-", "- ", "+ ", "> ", ">", "1) ",
		"{{include page=a}}\n", "{{include page=deep/est}}\n", "[x](y) ", "![x](https://a/b) ", "&amp;", "&#1;", "***a** ", "a**b", "- [x] a\n", "[a][b", "]]", "[]()", "x\n-\n",
	} {
		for _, length := range []int{maxLine - 100, 80} {
			text := fill(s, length)
			if check(text) != nil {
				continue // refused at once
			}
			began := time.Now()
			p := render(t, text)
			took := time.Since(began)
			t.Logf("%-16q %4d %6d ms, %d bytes of HTML", s, length, took.Milliseconds(), len(p.HTML))
			if took > 10*time.Second {
				t.Errorf("%q in lines of %d bytes takes %s", s, length, took)
			}
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, a := range attacks(f) {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Render(t.Context(), text, Place{Space: "ops", Slug: "deep/here", Account: "acme"}, books)
		if err != nil {
			return
		}
		if bad := unsafe(p.HTML); bad != "" {
			t.Errorf("%s\n from: %q\n html: %s", bad, text, p.HTML)
		}
	})
}
