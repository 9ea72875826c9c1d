package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a small file system in memory that can be filled.
type disk struct {
	name  string
	story *story
	dir   string
}

func mountDisk(s *story, name, dir string, mib int) (*disk, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	if err := syscall.Mount("atoll-faults", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=711", mib)); err != nil {
		return nil, fmt.Errorf("mount a disk for %s (it needs root): %w", name, err)
	}
	return &disk{name, s, dir}, nil
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves no byte free.
func (d *disk) fill() {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.story.note("fill the disk of %s: %v", d.name, err) // it was full already
		return
	}
	defer f.Close() //nolint:errcheck // nobody reads it
	for part := make([]byte, 64<<10); len(part) > 0; {
		if _, err := f.Write(part); err != nil {
			part = part[:len(part)/2]
		}
	}
	d.story.note("the disk of %s is full", d.name)
}

func (d *disk) empty() {
	if err := os.Remove(d.ballast()); err == nil {
		d.story.note("the disk of %s has room again", d.name)
	} else if !errors.Is(err, os.ErrNotExist) {
		d.story.bad("empty the disk of %s: %v", d.name, err)
	}
}

func (d *disk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }
