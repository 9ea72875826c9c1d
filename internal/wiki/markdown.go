package wiki

import (
	"bytes"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown is CommonMark with tables, task lists, strikethrough, autolinks,
// footnotes, links to pages and macros. It has no parser for HTML: tags are text.
var markdown = goldmark.New(
	goldmark.WithParser(parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(macroBlockParser{}, 900),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(pageParser{}, 150),
			util.Prioritized(macroInlineParser{}, 160),
			util.Prioritized(bounded{parser.NewLinkParser()}, 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(bounded{parser.NewEmphasisParser()}, 500),
			util.Prioritized(bounded{extension.NewStrikethroughParser()}, 500),
		),
		parser.WithParagraphTransformers(util.Prioritized(parser.LinkReferenceParagraphTransformer, 100)),
		parser.WithAutoHeadingID(),
	)),
	goldmark.WithExtensions(
		extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
		extension.TaskList, extension.Linkify,
		extension.NewFootnote(extension.WithFootnoteIDPrefixFunction(func(n ast.Node) []byte {
			p, _ := n.OwnerDocument().Meta()[metaPrefix].(string)
			return []byte(p)
		})),
	),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(nodes{}, 100), util.Prioritized(extension.NewStrikethroughHTMLRenderer(), 500))),
)

// bounded lets an inline parser see only so many marks of a paragraph: the time for
// them grows with the square of their number. What is beyond is text.
type bounded struct{ parser.InlineParser }

// marks counts those of one paragraph, cell or heading.
type marks struct {
	block ast.Node
	n     int
}

var marksKey = parser.NewContextKey()

// Parse implements parser.InlineParser.
func (b bounded) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	m, ok := pc.Get(marksKey).(*marks)
	if !ok || m.block != parent {
		m = &marks{block: parent}
		pc.Set(marksKey, m)
	}
	if m.n++; m.n > maxMarks {
		return nil
	}
	return b.InlineParser.Parse(parent, block, pc)
}

// CloseBlock implements parser.CloseBlocker.
func (b bounded) CloseBlock(parent ast.Node, block text.Reader, pc parser.Context) {
	if c, ok := b.InlineParser.(parser.CloseBlocker); ok {
		c.CloseBlock(parent, block, pc)
	}
}

// The nodes of our own.
var (
	kindPage        = ast.NewNodeKind("Page")
	kindMacroBlock  = ast.NewNodeKind("MacroBlock")
	kindMacroInline = ast.NewNodeKind("MacroInline")
)

// pageNode is a link to a page.
type pageNode struct {
	ast.BaseInline
	link
	offset  int
	target  Target
	missing bool
}

// Kind implements ast.Node.
func (n *pageNode) Kind() ast.NodeKind { return kindPage }

// Dump implements ast.Node.
func (n *pageNode) Dump(source []byte, level int) { ast.DumpHelper(n, source, level, nil, nil) }

// label is what the link shows if it has no children.
func (n *pageNode) label() string {
	switch {
	case n.HasChildren():
		return ""
	case n.text != "":
		return n.text
	case n.target.Title != "":
		return n.target.Title
	}
	return n.ref.String()
}

// macro is one use of a macro in a text.
type macro struct {
	name   string
	args   []pair
	block  bool
	offset int
	err    string // what is wrong with it
	html   []byte
}

type macroBlock struct {
	ast.BaseBlock
	*macro
}

// Kind implements ast.Node.
func (n *macroBlock) Kind() ast.NodeKind { return kindMacroBlock }

// Dump implements ast.Node.
func (n *macroBlock) Dump(source []byte, level int) { ast.DumpHelper(n, source, level, nil, nil) }

type macroInline struct {
	ast.BaseInline
	*macro
}

// Kind implements ast.Node.
func (n *macroInline) Kind() ast.NodeKind { return kindMacroInline }

// Dump implements ast.Node.
func (n *macroInline) Dump(source []byte, level int) { ast.DumpHelper(n, source, level, nil, nil) }

func newMacro(name string, args []pair, offset int, err error) *macro {
	m := &macro{name: name, args: args, offset: offset}
	if err != nil {
		m.err = err.Error()
	}
	return m
}

// macroBlockParser reads a macro on a line of its own.
type macroBlockParser struct{}

// Trigger implements parser.BlockParser.
func (macroBlockParser) Trigger() []byte { return []byte{'{'} }

// Open implements parser.BlockParser.
func (macroBlockParser) Open(_ ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	line, segment := reader.PeekLine()
	pos := pc.BlockOffset()
	if pos < 0 || pos >= len(line) || len(line) > maxMacro {
		return nil, parser.NoChildren
	}
	own := string(bytes.TrimRight(line[pos:], " \t\r\n"))
	name, args, n, err := scanMacro(own)
	if n == 0 || n != len(own) {
		return nil, parser.NoChildren
	}
	if m, known := find(name); err == nil && known && !m.Block {
		return nil, parser.NoChildren // it is a paragraph with a macro in it
	}
	reader.AdvanceToEOL()
	m := newMacro(name, args, segment.Start+pos, err)
	m.block = true
	return &macroBlock{macro: m}, parser.NoChildren
}

// Continue implements parser.BlockParser.
func (macroBlockParser) Continue(ast.Node, text.Reader, parser.Context) parser.State {
	return parser.Close
}

// Close implements parser.BlockParser.
func (macroBlockParser) Close(ast.Node, text.Reader, parser.Context) {}

// CanInterruptParagraph implements parser.BlockParser.
func (macroBlockParser) CanInterruptParagraph() bool { return true }

// CanAcceptIndentedLine implements parser.BlockParser.
func (macroBlockParser) CanAcceptIndentedLine() bool { return false }

// macroInlineParser reads a macro within a line.
type macroInlineParser struct{}

// Trigger implements parser.InlineParser.
func (macroInlineParser) Trigger() []byte { return []byte{'{'} }

// Parse implements parser.InlineParser.
func (macroInlineParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, segment := block.PeekLine()
	name, args, n, err := scanMacro(string(bytes.TrimRight(line[:min(len(line), maxMacro)], "\r\n")))
	if n == 0 {
		return nil
	}
	block.Advance(n)
	return &macroInline{macro: newMacro(name, args, segment.Start, err)}
}

// pageParser reads [[slug]].
type pageParser struct{}

// Trigger implements parser.InlineParser.
func (pageParser) Trigger() []byte { return []byte{'['} }

// Parse implements parser.InlineParser.
func (pageParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, segment := block.PeekLine()
	l, n := scanPageLink(string(line[:min(len(line), maxPageLink)]))
	if n == 0 {
		return nil
	}
	block.Advance(n)
	return &pageNode{link: l, offset: segment.Start}
}

// macros returns the macros of the text in order.
func (d *document) macros() (list []*macro) {
	d.walk(func(n ast.Node) {
		switch v := n.(type) {
		case *macroBlock:
			list = append(list, v.macro)
		case *macroInline:
			list = append(list, v.macro)
		}
	})
	return list
}
