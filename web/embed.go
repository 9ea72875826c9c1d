// Package web is the portal: the console in the browser for tenants, product
// teams and operators. It serves the built files that the program embeds.
//
// It must never know more than files: all data comes from the REST API, which the
// browser calls like any other client.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
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

// file is one file of the portal, compressed unless its type is so already.
type file struct {
	body   []byte
	zipped bool
	kind   string
	tag    string
	keep   bool // its name changes with its content
}

func handler(app fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the portal is only read", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		f, err := open(app, name)
		if err != nil && (strings.HasPrefix(name, "assets/") || path.Ext(name) != "") {
			http.NotFound(w, r)
			return
		}
		if err != nil {
			if f, err = open(app, "index.html"); err != nil {
				f, err = open(dist, "dist/placeholder.html")
			}
		}
		if err != nil {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func open(files fs.FS, name string) (*file, error) {
	f := &file{keep: strings.HasPrefix(name, "assets/"), kind: mime.TypeByExtension(path.Ext(name))}
	body, err := fs.ReadFile(files, name+".gz")
	f.zipped = err == nil
	if err != nil {
		if body, err = fs.ReadFile(files, name); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(body)
	f.body, f.tag = body, `"`+hex.EncodeToString(sum[:12])+`"`
	return f, nil
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	if f.keep {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else { // the page's policy holds for what it loads
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-cache") // asks, and is answered 304
		h.Set("ETag", f.tag)
	}
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.body
	if f.zipped && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
	} else if f.zipped {
		var err error
		if body, err = inflate(body); err != nil {
			http.Error(w, "the portal's files are damaged", http.StatusInternalServerError)
			return
		}
	}
	if r.Method == http.MethodGet {
		w.Write(body) // the caller is gone if it fails
	}
}

func inflate(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
