package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func zip(t *testing.T, text string) *fstest.MapFile {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

func TestHandler(t *testing.T) {
	h := handler(fstest.MapFS{
		"index.html.gz":          zip(t, "<title>Atoll</title>"),
		"assets/main-1a2b.js.gz": zip(t, "let portal"),
		"assets/text-3c.woff2":   {Data: []byte("font")},
	})
	for _, tt := range []struct {
		name, method, path, encoding string
		status                       int
		body, kind, cache            string
	}{
		{"page", "GET", "/", "", 200, "<title>Atoll</title>", "text/html; charset=utf-8", "no-cache"},
		{"a page's address", "GET", "/machines/0190", "", 200, "<title>Atoll</title>", "text/html; charset=utf-8", "no-cache"},
		{"script", "GET", "/assets/main-1a2b.js", "", 200, "let portal", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"font", "GET", "/assets/text-3c.woff2", "gzip", 200, "font", "font/woff2", "public, max-age=31536000, immutable"},
		{"a script of an older version", "GET", "/assets/gone-0.js", "", 404, "", "", ""},
		{"no such file", "GET", "/robots.txt", "", 404, "", "", ""},
		{"outside", "GET", "/../../etc/passwd.txt", "", 404, "", "", ""},
		{"a change", "POST", "/machines", "", 405, "", "", ""},
		{"head", "HEAD", "/", "", 200, "", "text/html; charset=utf-8", "no-cache"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://atoll.test"+tt.path, nil)
			r.Header.Set("Accept-Encoding", tt.encoding)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Fatalf("status %d, want %d", w.Code, tt.status)
			}
			if tt.status != 200 {
				return
			}
			if got := w.Body.String(); got != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
			for header, want := range map[string]string{"Content-Type": tt.kind, "Cache-Control": tt.cache} {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if csp := w.Header().Get("Content-Security-Policy"); tt.cache == "no-cache" && !strings.Contains(csp, "script-src 'self';") {
				t.Errorf("policy %q lets in scripts of others", csp)
			}
		})
	}
}

func TestCompressedAndUnchanged(t *testing.T) {
	h := handler(fstest.MapFS{"index.html.gz": zip(t, "page")})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "br, gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Errorf("not sent as it is to a browser that takes gzip: %v", w.Header())
	}
	tag := w.Header().Get("ETag")
	for _, has := range []string{tag, strings.TrimPrefix(tag, "W/"), `"of-an-older-version", ` + tag} {
		r.Header.Set("If-None-Match", has)
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
			t.Errorf("status %d with %d bytes and tag %q to a browser that has %s", w.Code, w.Body.Len(), w.Header().Get("ETag"), has)
		}
	}
	r.Header.Set("If-None-Match", `"of-an-older-version"`)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.Len() == 0 {
		t.Errorf("status %d with %d bytes to a browser that has an older version", w.Code, w.Body.Len())
	}
}

// A program that was built without the portal says so.
func TestPlaceholder(t *testing.T) {
	w := httptest.NewRecorder()
	handler(fstest.MapFS{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// The page's content is looked at once, not with each request, and no file is held
// twice in memory.
func BenchmarkHandler(b *testing.B) {
	h := handler(fstest.MapFS{
		"index.html.gz":          {Data: bytes.Repeat([]byte("page "), 1000)},
		"assets/main-1a2b.js.gz": {Data: bytes.Repeat([]byte("code "), 100_000)},
	})
	for _, path := range []string{"/machines", "/assets/main-1a2b.js"} {
		b.Run(path, func(b *testing.B) {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept-Encoding", "gzip")
			b.ReportAllocs()
			for b.Loop() {
				w := &discard{header: http.Header{}}
				if h.ServeHTTP(w, r); w.n == 0 {
					b.Fatal("nothing was sent")
				}
			}
		})
	}
}

// discard counts what is written.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}

func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}
