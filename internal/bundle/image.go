package bundle

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"atoll/internal/cloud"
)

// Image is an image in a registry.
type Image struct {
	Ref            string
	User, Password string // "" for a registry that asks for none
	Transport      http.RoundTripper
}

// imageFolder is where an image has the control scripts, as Octopod's have.
const imageFolder = "utils"

// maxImage bounds what is read of an image: its other folders are read too.
const maxImage = 8 * cloud.MaxBundleUnpacked

// Archive writes the image's folder /utils as an archive and returns the image's
// digest. Its errors are cloud.Invalid, Denied, NotFound and Unavailable.
func (i *Image) Archive(ctx context.Context, w io.Writer) (digest string, err error) {
	ref, err := name.ParseReference(i.Ref)
	if err != nil {
		return "", cloud.FieldErrorf("source", "%q is no image such as registry.example.com/scripts:1", clip(i.Ref))
	}
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(i.Transport), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}),
	}
	if i.User != "" || i.Password != "" {
		options = append(options, remote.WithAuth(&authn.Basic{Username: i.User, Password: i.Password}))
	}
	img, err := remote.Image(ref, options...)
	if err != nil {
		return "", i.refused(err)
	}
	sum, err := img.Digest()
	if err != nil {
		return "", i.refused(err)
	}
	all := mutate.Extract(img)
	defer all.Close()
	if err := i.pack(&bounded{all, maxImage}, w); err != nil {
		return "", err
	}
	return sum.String(), nil
}

// pack writes what is in the image's folder.
func (i *Image) pack(all io.Reader, w io.Writer) error {
	from, z := tar.NewReader(all), gzip.NewWriter(w)
	to := tar.NewWriter(z)
	found := false
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return i.refused(err)
		}
		file, ok := strings.CutPrefix(path.Clean("/"+h.Name), "/"+imageFolder+"/")
		if !ok {
			continue
		}
		found = true
		link := h.Linkname
		if target, ok := strings.CutPrefix(link, "/"+imageFolder+"/"); ok { // absolute, in the same folder
			link = strings.Repeat("../", strings.Count(file, "/")) + target
		}
		err = to.WriteHeader(&tar.Header{Typeflag: h.Typeflag, Name: file, Linkname: link, Size: h.Size, Mode: h.Mode & 0o777})
		if err == nil {
			_, err = io.Copy(to, from)
		}
		if err != nil {
			return cloud.Errorf(cloud.Invalid, "/%s/%s of the image cannot be taken: %v", imageFolder, clip(file), err)
		}
	}
	if !found {
		return cloud.FieldErrorf("source", "the image %s has no files in /%s, where control scripts are", i.Ref, imageFolder)
	}
	return cmp.Or(to.Close(), z.Close())
}

// refused tells why the registry did not give the image.
func (i *Image) refused(err error) error {
	var own *cloud.Error
	if errors.As(err, &own) {
		return own
	}
	status := 0
	var answer *transport.Error
	if errors.As(err, &answer) {
		status = answer.StatusCode
	}
	switch status {
	case http.StatusNotFound:
		return cloud.Wrap(cloud.NotFound, err, "the registry has no image %s for linux/amd64", i.Ref)
	case http.StatusUnauthorized, http.StatusForbidden:
		return cloud.Wrap(cloud.Denied, err, "the registry does not give the image %s; set the project's secrets REGISTRY_USER and REGISTRY_PASSWORD", i.Ref)
	}
	return cloud.Wrap(cloud.Unavailable, err, "the image %s cannot be fetched: %s", i.Ref, clip(err.Error()))
}
