package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const module = "atoll"

// file is one parsed Go file.
type file struct {
	path string // from the root of the repository, with slashes
	fset *token.FileSet
	ast  *ast.File
}

func parse(name string, src []byte) (file, error) {
	f := file{path: name, fset: token.NewFileSet()}
	var err error
	f.ast, err = parser.ParseFile(f.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	return f, err
}

func (f file) dir() string     { return path.Dir(f.path) }
func (f file) test() bool      { return strings.HasSuffix(f.path, "_test.go") }
func (f file) generated() bool { return ast.IsGenerated(f.ast) }

// at says where in the file a complaint is.
func (f file) at(p token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", f.path, f.fset.Position(p).Line, fmt.Sprintf(format, args...))
}

// fileRules are checked on each file by itself. A rule returns one line per breach.
var fileRules = map[string]func(file) []string{
	"imports of ours":      checkOwnImports,
	"imports from outside": checkOtherImports,
	"length":               checkLength,
	"init":                 checkInit,
	"open ends":            checkOpenEnds,
}

func checkOwnImports(f file) (bad []string) {
	dir := f.dir()
	row, known := imports[dir]
	if !known && !within(dir, free) {
		return []string{fmt.Sprintf("%s: package %s is not in the import table: add it to internal/archtest/table_test.go "+
			"and docs/architecture.md, with what it may import of ours", f.path, dir)}
	}
	may := append([]string{dir}, row...)
	if f.test() {
		may = append(append(may, reach(dir)...), forTests...)
	}
	if slices.Contains(testOnly, dir) {
		may = append(may, testOnly...)
	}
	for _, s := range f.ast.Imports {
		ours, ok := strings.CutPrefix(importPath(s), module+"/")
		switch {
		case !ok:
		case within(dir, free):
			if within(dir, []string{"cmd"}) && !f.test() && slices.Contains(testOnly, ours) {
				bad = append(bad, f.at(s.Pos(), "imports %s, which is for tests", ours))
			}
		case !slices.Contains(may, ours):
			bad = append(bad, f.at(s.Pos(), "%s must not import %s: see the import table in docs/architecture.md", dir, ours))
		}
	}
	return bad
}

func checkOtherImports(f file) (bad []string) {
	dir := f.dir()
	for _, s := range f.ast.Imports {
		imp := importPath(s)
		for _, name := range slices.Sorted(maps.Keys(banned)) {
			if imp == name || strings.HasPrefix(imp, name+"/") && strings.Contains(name, ".") {
				bad = append(bad, f.at(s.Pos(), "must not import %s: %s", imp, banned[name]))
			}
		}
		if f.test() || within(dir, free) || slices.Contains(testOnly, dir) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(owners)) {
			if within(imp, []string{name}) && !within(dir, owners[name]) {
				bad = append(bad, f.at(s.Pos(), "must not import %s: it belongs to %s", imp, strings.Join(owners[name], ", ")))
			}
		}
		if mods, ok := only[dir]; ok && strings.Contains(imp, ".") && !within(imp, mods) {
			bad = append(bad, f.at(s.Pos(), "must not import %s: only the standard library and %s", imp, strings.Join(mods, ", ")))
		}
	}
	return bad
}

func checkLength(f file) (bad []string) {
	if f.generated() {
		return nil
	}
	if n := f.fset.File(f.ast.FileStart).LineCount(); n > maxFileLines {
		bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d: split it by what its parts are for", f.path, n, maxFileLines))
	}
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
			bad = append(bad, f.at(fn.Pos(), "function %s has %d lines, at most %d", fn.Name.Name, n, maxFuncLines))
		}
	}
	return bad
}

func checkInit(f file) (bad []string) {
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			bad = append(bad, f.at(fn.Pos(), "init function: let the caller wire it, in cmd"))
		}
	}
	return bad
}

var openEnd = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func checkOpenEnds(f file) (bad []string) {
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if word := openEnd.FindString(c.Text); word != "" {
				bad = append(bad, f.at(c.Pos(), "%s in a comment: do it, or open an issue", word))
			}
		}
	}
	return bad
}

var (
	sentenceEnd = regexp.MustCompile(`[.!?](\s|$)`)
	negation    = regexp.MustCompile(`(?i)\b(never|not|nothing|nobody|none|no|only)\b`)
)

// checkPackageComments wants of each folder one package comment that says what the package is
// for and what it must never do.
func checkPackageComments(files []file) (bad []string) {
	docs := map[string]string{}
	for _, f := range files {
		docs[f.dir()] += f.ast.Doc.Text()
	}
	for _, dir := range slices.Sorted(maps.Keys(docs)) {
		switch doc := docs[dir]; {
		case doc == "":
			bad = append(bad, dir+": no package comment: say what the package is for and what it must never do")
		case len(sentenceEnd.FindAllString(doc, -1)) < 2 || !negation.MatchString(doc):
			bad = append(bad, dir+": the package comment must say, in two sentences or more, what the package is for and what it must never do")
		}
	}
	return bad
}

// reach returns what dir may import, directly or through others.
func reach(dir string) []string {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(d string) {
		for _, next := range imports[d] {
			if !seen[next] {
				seen[next] = true
				visit(next)
			}
		}
	}
	visit(dir)
	return slices.Collect(maps.Keys(seen))
}

// within reports whether name is one of the folders or modules, or inside of one.
func within(name string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return name == r || strings.HasPrefix(name, r+"/") })
}

func importPath(s *ast.ImportSpec) string {
	p, err := strconv.Unquote(s.Path.Value)
	if err != nil {
		panic(err) // the parser accepted it
	}
	return p
}
