package archtest

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository, seen from the folder in which the test runs.
const root = "../.."

func TestRules(t *testing.T) {
	files := load(t)
	for name, rule := range fileRules {
		t.Run(name, func(t *testing.T) {
			for _, f := range files {
				report(t, rule(f))
			}
		})
	}
	t.Run("package comments", func(t *testing.T) { report(t, checkPackageComments(files)) })
}

// TestTableHasNoCycle guards the table itself: a package must not be reachable from its own row.
func TestTableHasNoCycle(t *testing.T) {
	for dir := range imports {
		if slices.Contains(reach(dir), dir) {
			t.Errorf("the import table lets %s import itself through others", dir)
		}
	}
}

var docRow = regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|.*\\| ([^|]*) \\|$")

// TestTableIsDocumented compares the import table with the one that people read.
func TestTableIsDocumented(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	for _, m := range docRow.FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = strings.Fields(m[2])
	}
	for dir, row := range imports {
		want := []string{}
		for _, r := range row {
			want = append(want, strings.TrimPrefix(r, "internal/"))
		}
		got, ok := documented[dir]
		if slices.Equal(got, []string{"nothing"}) {
			got = nil
		}
		slices.Sort(want)
		slices.Sort(got)
		if !ok || !slices.Equal(got, want) {
			t.Errorf("docs/architecture.md says that %s may import %v, the import table says %v", dir, got, want)
		}
	}
	for dir := range documented {
		if _, ok := imports[dir]; !ok {
			t.Errorf("docs/architecture.md has %s, the import table does not", dir)
		}
	}
}

// load parses every Go file of the repository that is ours.
func load(t *testing.T) (files []file) {
	t.Helper()
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := path.Base(p)
		if d.IsDir() {
			if p != "." && (name[0] == '.' || name[0] == '_' || slices.Contains(foreign, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		f, err := parse(p, src)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go file found: the tests would prove nothing")
	}
	return files
}

// foreign names folders whose files are not code of this project.
var foreign = []string{"testdata", "node_modules", "atoll-data"}

func report(t *testing.T, bad []string) {
	t.Helper()
	for _, b := range bad {
		t.Error(b)
	}
}
