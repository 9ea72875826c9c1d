package volume

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

func (s *Store) imagePath(sum string) string { return filepath.Join(s.images, sum) }

func validateImage(image wire.ImageArgs) error {
	if err := cloud.ValidateSHA256("sha256", image.SHA256); err != nil {
		return err
	}
	if image.Format != "qcow2" && image.Format != "raw" {
		return cloud.FieldErrorf("format", "%q is no image format here; they are qcow2 and raw", image.Format)
	}
	if image.Size <= 0 {
		return cloud.FieldErrorf("size", "must be the image's size in bytes, not %d", image.Size)
	}
	return nil
}

// Ensure fetches the image if it is missing. What arrives is checked while it
// is written; a file in the cache is always whole and always a disk.
func (s Images) Ensure(ctx context.Context, image wire.ImageArgs, fetch func(context.Context) (io.ReadCloser, error)) error {
	if err := validateImage(image); err != nil {
		return err
	}
	unlock, err := s.locks.lock(ctx, "image "+image.SHA256)
	if err != nil {
		return fmt.Errorf("image %s: %w", image.SHA256, err)
	}
	defer unlock()
	if ok, err := exists(s.imagePath(image.SHA256)); ok || err != nil {
		return err
	}
	body, err := fetch(ctx)
	if err != nil {
		return fmt.Errorf("fetch image %s: %w", image.SHA256, err)
	}
	defer body.Close()
	tmp, err := os.CreateTemp(s.images, tmpPrefix+"*")
	if err != nil {
		return diskFull(err, "image "+image.SHA256)
	}
	defer os.Remove(tmp.Name()) // fails when the rename succeeded
	defer tmp.Close()
	if err := receive(tmp, body, image); err != nil {
		return err
	}
	if err := checkImage(ctx, tmp, image.Format); err != nil {
		return err
	}
	return s.admit(tmp, image)
}

// receive copies body into f and refuses it if size or checksum differ.
func receive(f *os.File, body io.Reader, image wire.ImageArgs) error {
	// Reserving the space says at once that it is missing, not after an hour.
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, image.Size)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return diskFull(err, fmt.Sprintf("an image of %d MiB", image.Size>>20))
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(body, image.Size+1))
	if err != nil {
		return diskFull(err, "image "+image.SHA256)
	}
	if n > image.Size {
		return cloud.FieldErrorf("size", "the image is larger than the %d bytes that it should have", image.Size)
	}
	if n < image.Size {
		return cloud.FieldErrorf("size", "the image has %d bytes and should have %d", n, image.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != image.SHA256 {
		return cloud.FieldErrorf("sha256", "the image's checksum is %s and should be %s", got, image.SHA256)
	}
	return nil
}

// admit makes the checked file the image, for good.
func (s Images) admit(f *os.File, image wire.ImageArgs) error {
	if err := f.Chmod(0o400); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return diskFull(err, "image "+image.SHA256)
	}
	if err := os.Rename(f.Name(), s.imagePath(image.SHA256)); err != nil {
		return err
	}
	return syncDir(s.images)
}

// List returns the checksums of the cached images.
func (s Images) List(context.Context) ([]string, error) { return names(s.images) }

// Delete drops the image. It is a Conflict while a volume has it as its backing
// file: it would free nothing.
func (s Images) Delete(ctx context.Context, sum string) error {
	if err := cloud.ValidateSHA256("sha256", sum); err != nil {
		return err
	}
	unlock, err := s.locks.lock(ctx, "image "+sum)
	if err != nil {
		return fmt.Errorf("image %s: %w", sum, err)
	}
	defer unlock()
	var st unix.Stat_t
	err = unix.Stat(s.imagePath(sum), &st)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", sum, err)
	}
	if st.Nlink > 1 {
		return cloud.Errorf(cloud.Conflict, "image %s is the base of %d volumes on this node; delete them first", sum, st.Nlink-1)
	}
	if err := os.Remove(s.imagePath(sum)); err != nil {
		return err
	}
	return syncDir(s.images)
}
