package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

const gib = 1 << 30

func (s *Store) volumeDir(id cloud.DiskID) string { return filepath.Join(s.volumes, string(id)) }

// Path returns the qcow2 file of the volume. NotFound if it does not exist.
func (s Volumes) Path(id cloud.DiskID) (string, error) {
	if !cloud.IsID(string(id)) {
		return "", cloud.FieldErrorf("id", "%q is not the id of a volume", id)
	}
	path := filepath.Join(s.volumeDir(id), diskName)
	ok, err := exists(path)
	if err == nil && !ok {
		err = cloud.Errorf(cloud.NotFound, "volume %s is not on this node", id)
	}
	return path, err
}

// Ensure makes the volume or grows it. It is a Conflict to grow the volume of a
// machine that runs.
func (s Volumes) Ensure(ctx context.Context, v wire.VolumeArgs) error {
	if !cloud.IsID(string(v.ID)) {
		return cloud.FieldErrorf("id", "%q is not the id of a volume", v.ID)
	}
	if v.SizeGiB < 1 || v.SizeGiB > maxVirtualSize/gib {
		return cloud.FieldErrorf("size_gib", "must be 1 GiB to 64 TiB, not %d GiB", v.SizeGiB)
	}
	unlock, err := s.locks.lock(ctx, "volume "+string(v.ID))
	if err != nil {
		return fmt.Errorf("volume %s: %w", v.ID, err)
	}
	defer unlock()
	path, err := s.Path(v.ID)
	if cloud.Is(err, cloud.NotFound) {
		return s.create(ctx, v)
	}
	if err != nil {
		return err
	}
	size, err := virtualSize(path, "qcow2")
	if err != nil {
		return fmt.Errorf("volume %s: %w", v.ID, err)
	}
	if size >= v.SizeGiB*gib {
		return nil
	}
	if inUse(path) {
		return cloud.Errorf(cloud.Conflict, "volume %s is in use and cannot grow; stop its machine first", v.ID)
	}
	if _, err := qemuImg(ctx, filepath.Dir(path), "resize", "-q", "-f", "qcow2", diskName, bytesArg(v.SizeGiB)); err != nil {
		return diskFull(err, fmt.Sprintf("volume %s", v.ID))
	}
	return nil
}

// create makes the volume in a temporary folder and moves it to its place.
func (s Volumes) create(ctx context.Context, v wire.VolumeArgs) error {
	tmp, err := os.MkdirTemp(s.volumes, tmpPrefix+"*")
	if err != nil {
		return diskFull(err, fmt.Sprintf("volume %s", v.ID))
	}
	defer os.RemoveAll(tmp) // empty when the rename succeeded
	// Clusters of 64 KiB (the default) keep copies from the base small.
	args := []string{"create", "-q", "-f", "qcow2"}
	if v.Image != nil {
		if err := s.linkBase(tmp, v); err != nil {
			return err
		}
		args = append(args, "-b", baseName, "-F", v.Image.Format)
	}
	if _, err := qemuImg(ctx, tmp, append(args, diskName, bytesArg(v.SizeGiB))...); err != nil {
		return diskFull(err, fmt.Sprintf("volume %s", v.ID))
	}
	if err := syncFile(filepath.Join(tmp, diskName)); err != nil {
		return diskFull(err, fmt.Sprintf("volume %s", v.ID))
	}
	if err := syncDir(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.volumeDir(v.ID)); err != nil {
		return fmt.Errorf("volume %s: %w", v.ID, err)
	}
	return syncDir(s.volumes)
}

// linkBase links the volume's image into its folder. From then on the image
// cannot vanish under it.
func (s Volumes) linkBase(dir string, v wire.VolumeArgs) error {
	if err := validateImage(*v.Image); err != nil {
		return err
	}
	base := filepath.Join(dir, baseName)
	err := os.Link(s.imagePath(v.Image.SHA256), base)
	if errors.Is(err, fs.ErrNotExist) {
		return cloud.Errorf(cloud.NotFound, "image %s is not in this node's cache", v.Image.SHA256)
	}
	if err != nil {
		return fmt.Errorf("volume %s: %w", v.ID, err)
	}
	size, err := virtualSize(base, v.Image.Format)
	if err != nil {
		return fmt.Errorf("volume %s: %w", v.ID, err)
	}
	if size > v.SizeGiB*gib {
		return cloud.FieldErrorf("size_gib", "the image needs a disk of %d GiB; %d GiB are too small", (size+gib-1)/gib, v.SizeGiB)
	}
	return nil
}

// Delete removes the volume. It is a Conflict while a machine uses it.
func (s Volumes) Delete(ctx context.Context, id cloud.DiskID) error {
	unlock, err := s.locks.lock(ctx, "volume "+string(id))
	if err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	defer unlock()
	path, err := s.Path(id)
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if inUse(path) {
		return cloud.Errorf(cloud.Conflict, "volume %s is in use; stop its machine first", id)
	}
	gone := filepath.Join(s.volumes, tmpPrefix+string(id))
	if err := os.Rename(s.volumeDir(id), gone); err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	if err := syncDir(s.volumes); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// List returns all volumes.
func (s Volumes) List(context.Context) ([]cloud.DiskID, error) {
	found, err := names(s.volumes)
	if err != nil {
		return nil, err
	}
	ids := make([]cloud.DiskID, 0, len(found))
	for _, n := range found {
		ids = append(ids, cloud.DiskID(n))
	}
	return ids, nil
}

// inUse reports whether a QEMU has the file open: it locks bytes 100 to 300 of
// its images (docs/system/images: "image locking").
func inUse(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 201}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lk)
	return err == nil && lk.Type != unix.F_UNLCK
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func bytesArg(gibs int64) string { return strconv.FormatInt(gibs*gib, 10) }
