// Package web is the portal: the console in the browser for tenants, product
// teams and operators. It serves the built files that the program embeds.
//
// It must never know more than files: all data comes from the REST API, which the
// browser calls like any other client.
package web

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// dist holds app, which `make build` puts there as gzip files, and a page that
// stands in for it where nothing was built.
//
//go:embed all:dist
var dist embed.FS

// policy lets the portal load its own files, talk to its own server, and show
// pictures of other sites in pages that people write. Consoles and editors set
// styles by script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; " +
	"font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the portal: its files, and its page at every other path, since
// the page itself knows what is there.
func Handler() http.Handler {
	app, err := fs.Sub(dist, "dist/app")
	if err != nil {
		panic(err) // the name is a constant
	}
	return handler(app)
}

// page is the file that stands at every path that is none of a file.
const page = "index.html"

// file is what is known of one file of the portal from the start. Its content stays
// where the program has it, and is read when somebody asks for it.
type file struct {
	in     fs.FS
	name   string // in it: of the compressed file, if there is one
	zipped bool
	kind   string
	tag    string // of its content; none if its name changes with that
}

func handler(app fs.FS) http.Handler {
	files := list(app)
	if files[page] == nil { // nothing was built
		files[page] = newFile(dist, "dist/placeholder.html", "dist/placeholder.html")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the portal is only read", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		f := files[name]
		if f == nil && (strings.HasPrefix(name, hashed) || path.Ext(name) != "") {
			http.NotFound(w, r)
			return
		}
		if f == nil {
			f = files[page]
		}
		f.serve(w, r)
	})
}

// hashed is the folder of files whose names change with their content.
const hashed = "assets/"

// list finds all files by the names under which they are served.
func list(app fs.FS) map[string]*file {
	files := map[string]*file{}
	err := fs.WalkDir(app, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			as := strings.TrimSuffix(name, ".gz")
			files[as] = newFile(app, name, as)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nothing was built
		panic(err) // the program's own files
	}
	return files
}

// newFile is the file that is served under the name as.
func newFile(in fs.FS, name, as string) *file {
	f := &file{in: in, name: name, zipped: name != as, kind: mime.TypeByExtension(path.Ext(as))}
	if strings.HasPrefix(as, hashed) {
		return f
	}
	body, err := fs.ReadFile(in, name)
	if err != nil {
		panic(err) // the program's own files
	}
	sum := sha256.Sum256(body)
	f.tag = `"` + hex.EncodeToString(sum[:12]) + `"`
	return f
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	if f.tag == "" {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else { // the page's policy holds for what it loads
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-cache") // asks, and is answered 304
		h.Set("ETag", "W/"+f.tag)          // the same compressed or not
		// Caches between may have left the W/ out, and browsers may hold several.
		if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	body, err := f.in.Open(f.name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer body.Close()
	h.Set("Content-Type", f.kind)
	var from io.Reader = body
	if f.zipped && !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		if from, err = gzip.NewReader(body); err != nil {
			http.Error(w, "the portal's files are damaged", http.StatusInternalServerError)
			return
		}
	} else {
		if f.zipped {
			h.Set("Content-Encoding", "gzip")
		}
		if info, err := body.Stat(); err == nil {
			h.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		}
	}
	if r.Method == http.MethodGet {
		io.Copy(w, from) // the caller is gone if it fails
	}
}
