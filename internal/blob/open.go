package blob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // registers s3://
)

// Open opens the store at a URL:
//
//   - file:///var/lib/atoll/blobs, a folder that is made if absent, for one controller;
//   - s3://bucket?region=eu-west-1, with the usual AWS_ variables or files for credentials;
//   - s3://bucket?endpoint=https://minio.example:9000&prefix=atoll/ for a bucket of another maker.
//
// The parameters of s3 are those of gocloud.dev/blob/s3blob. Open fails if the store cannot be
// reached now.
func Open(ctx context.Context, storeURL string) (*Store, error) {
	u, err := url.Parse(storeURL)
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	var s *Store
	switch u.Scheme {
	case "file":
		s, err = openFolder(u)
	case "s3":
		s, err = openS3(ctx, u)
	default:
		err = errors.New("use file:///FOLDER or s3://BUCKET")
	}
	if err != nil {
		return nil, fmt.Errorf("blob store %s: %w", u.Redacted(), err)
	}
	return s, nil
}

func openFolder(u *url.URL) (*Store, error) {
	if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) {
		return nil, errors.New("an absolute path with three slashes is needed, as in file:///var/lib/atoll/blobs")
	}
	if u.RawQuery != "" {
		return nil, errors.New("a folder takes no parameters")
	}
	if err := os.MkdirAll(filepath.Join(u.Path, tempPrefix), 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(u.Path)
	if err != nil {
		return nil, err
	}
	// Only reading, listing and deleting go through this bucket: fileblob does not sync.
	b, err := fileblob.OpenBucket(u.Path, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Store{bucket: b, save: &folder{root: root}}, nil
}

func openS3(ctx context.Context, u *url.URL) (*Store, error) {
	q := u.Query()
	if q.Get("endpoint") != "" {
		// What other makers' servers commonly need; the URL may say otherwise.
		for name, value := range map[string]string{
			"use_path_style": "true", "region": "us-east-1",
			"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required",
		} {
			if !q.Has(name) {
				q.Set(name, value)
			}
		}
		u.RawQuery = q.Encode()
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, err
	}
	ok, err := b.IsAccessible(ctx)
	if err == nil && !ok {
		err = errors.New("there is no such bucket, or these credentials may not list it")
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &Store{bucket: b, save: &remote{bucket: b}, shared: true}, nil
}
