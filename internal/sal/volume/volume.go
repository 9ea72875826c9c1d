// Package volume keeps images and volumes as files of a node: sal.Images and
// sal.Volumes on qcow2.
//
// An image is a file named by its checksum. A volume is a folder that holds its
// disk and, where it came from an image, a hard link to that image as the
// backing file: the link count tells whether an image is still needed, and
// nothing that happens to the cache can hurt a volume. Both appear and vanish
// by one rename, so that an agent killed at any instant leaves either the whole
// thing or a temporary file that the next New removes.
//
// It must never open a file whose header names another file: an image decides
// nothing about what the node reads (see checkImage).
package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

const (
	diskName  = "disk.qcow2" // in a volume's folder
	baseName  = "base"       // in a volume's folder: hard link to its image
	tmpPrefix = ".tmp-"

	// toolTimeout bounds one run of qemu-img: all that it does here is to write
	// or read a header.
	toolTimeout = time.Minute
)

// Store is a node's folder of images and volumes.
type Store struct {
	images  string
	volumes string
	locks   locks
}

// Images is the Store as sal.Images.
type Images struct{ *Store }

// Volumes is the Store as sal.Volumes.
type Volumes struct{ *Store }

var (
	_ sal.Images  = Images{}
	_ sal.Volumes = Volumes{}
)

// New opens the store in dir, which it makes if it is missing, and removes what
// a killed agent left half done. Only one Store may use a folder.
func New(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir) // QEMU runs in a folder of its own
	if err != nil {
		return nil, fmt.Errorf("volume store: %w", err)
	}
	s := &Store{
		images:  filepath.Join(dir, "images"),
		volumes: filepath.Join(dir, "volumes"),
		locks:   locks{held: map[string]chan struct{}{}},
	}
	for _, d := range []string{s.images, s.volumes} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("volume store: %w", err)
		}
		entries, err := os.ReadDir(d)
		if err != nil {
			return nil, fmt.Errorf("volume store: %w", err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), tmpPrefix) {
				if err := os.RemoveAll(filepath.Join(d, e.Name())); err != nil {
					return nil, fmt.Errorf("volume store: %w", err)
				}
			}
		}
	}
	return s, nil
}

// Images returns the store's image cache.
func (s *Store) Images() Images { return Images{s} }

// Volumes returns the store's volumes.
func (s *Store) Volumes() Volumes { return Volumes{s} }

// names lists a folder without temporary files.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tmpPrefix) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// qemuImg runs qemu-img in dir and returns its output. The error holds what it
// said; the caller adds what was being done.
func qemuImg(ctx context.Context, dir string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-img", args...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, cloud.Wrap(cloud.Unavailable, err, "qemu-img is not installed on this node (apt install qemu-utils)")
	case ctx.Err() != nil:
		return nil, fmt.Errorf("qemu-img %s: %w", args[0], ctx.Err())
	}
	return nil, &toolError{said: strings.TrimSpace(said.String()), err: err}
}

// toolError is a qemu-img that ran and refused.
type toolError struct {
	said string
	err  error
}

func (e *toolError) Error() string { return "qemu-img: " + e.said }
func (e *toolError) Unwrap() error { return e.err }

// diskFull turns an error of a write into Capacity if the file system is full.
func diskFull(err error, what string) error {
	var tool *toolError
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) ||
		errors.As(err, &tool) && strings.Contains(tool.said, unix.ENOSPC.Error())
	if full || errors.As(err, &tool) && strings.Contains(tool.said, "No space left on device") {
		return cloud.Wrap(cloud.Capacity, err, "the node's disk has no room for %s: delete volumes or images there, or use another node", what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// syncDir makes renames in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
