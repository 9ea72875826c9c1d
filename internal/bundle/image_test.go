package bundle

import (
	"archive/tar"
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"atoll/internal/cloud"
)

// push puts an image of the layers into the registry.
func push(t *testing.T, ref string, layers ...[]byte) {
	t.Helper()
	img := empty.Image
	for _, b := range layers {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
		if err == nil {
			img, err = mutate.AppendLayers(img, layer)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	to, err := name.ParseReference(ref)
	if err == nil {
		err = remote.Write(to, img, remote.WithAuth(&authn.Basic{Username: "ada", Password: "hush"}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestImage(t *testing.T) {
	images := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != "hush" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	defer s.Close()
	at := strings.TrimPrefix(s.URL, "http://") + "/team/scripts"
	push(t, at+":1",
		entries(t, tar.Header{Name: "utils/create"}, tar.Header{Name: "utils/old"}, tar.Header{Name: "etc/passwd"}),
		entries(t, tar.Header{Name: "utils/.wh.old"}, tar.Header{Name: "utils/update", Typeflag: tar.TypeSymlink, Linkname: "/utils/create"}))
	push(t, at+":empty", entries(t, tar.Header{Name: "etc/passwd"}))

	image := func(ref string) *Image {
		return &Image{Ref: ref, User: "ada", Password: "hush", Transport: http.DefaultTransport}
	}
	var b bytes.Buffer
	digest, err := image(at+":1").Archive(t.Context(), &b)
	if err != nil || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("Archive() = %q, %v", digest, err)
	}
	var names []string
	if err := Read(bytes.NewReader(b.Bytes()), func(e Entry) error { names = append(names, e.Name+" "+e.Link); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if want := []string{"create ", "update create"}; !slices.Equal(names, want) {
		t.Errorf("the archive has %q, want %q", names, want)
	}
	if found, err := Check(bytes.NewReader(b.Bytes())); err != nil || len(found) != 2 {
		t.Errorf("Check() = %v, %v", found, err)
	}

	stranger := image(at + ":1")
	stranger.Password = "wrong"
	for _, tt := range []struct {
		image *Image
		kind  cloud.ErrorKind
		says  string
	}{
		{image("no image"), cloud.Invalid, "is no image"},
		{image(at + ":2"), cloud.NotFound, "has no image"},
		{image(at + ":empty"), cloud.Invalid, "has no files in /utils"},
		{stranger, cloud.Denied, "REGISTRY_USER"},
		{image("127.0.0.1:1/x:1"), cloud.Unavailable, "cannot be fetched"},
	} {
		if _, err := tt.image.Archive(t.Context(), io.Discard); !cloud.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want kind %s, %q", tt.image.Ref, err, tt.kind, tt.says)
		}
	}
}
