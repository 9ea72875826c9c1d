package volume

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"atoll/internal/cloud"
)

// header is what this package needs of a qcow2 header
// (https://www.qemu.org/docs/master/interop/qcow2.html).
type header struct {
	version     uint32
	virtualSize int64 // bytes
	backing     bool  // names a backing file
	dataFile    bool  // keeps its data in another file
	encrypted   bool
}

const (
	qcow2Magic       = "QFI\xfb"
	qcow2Extended    = 104 // bytes of a version 3 header
	qcow2DataFileBit = 1 << 2
	maxVirtualSize   = 64 << 40
)

var errNotQcow2 = errors.New("no qcow2 header")

// readHeader reads a qcow2 header by itself, so that nothing that the header
// names is opened.
func readHeader(r io.ReaderAt) (header, error) {
	b := make([]byte, qcow2Extended)
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return header{}, err
	}
	if n < 72 || string(b[:4]) != qcow2Magic {
		return header{}, errNotQcow2
	}
	h := header{
		version:     binary.BigEndian.Uint32(b[4:]),
		backing:     binary.BigEndian.Uint64(b[8:]) != 0,
		virtualSize: int64(binary.BigEndian.Uint64(b[24:])),
		encrypted:   binary.BigEndian.Uint32(b[32:]) != 0,
	}
	if h.version >= 3 && n == len(b) {
		h.dataFile = binary.BigEndian.Uint64(b[72:])&qcow2DataFileBit != 0
	}
	return h, nil
}

// virtualSize returns the size in bytes of the disk that the file describes.
func virtualSize(path, format string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if format == "raw" {
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	h, err := readHeader(f)
	return h.virtualSize, err
}

// checkImage refuses a file that is not a disk in the given format. An image
// with a backing file or a data file would have QEMU read any file of the node
// into the tenant's machine, so the header is read before any tool opens it.
func checkImage(ctx context.Context, f *os.File, format string) error {
	h, err := readHeader(f)
	if err != nil && !errors.Is(err, errNotQcow2) {
		return err
	}
	isQcow2 := err == nil
	if format == "raw" {
		return checkRaw(f, isQcow2)
	}
	switch {
	case !isQcow2:
		return cloud.FieldErrorf("format", "the image is not a disk in the format qcow2: it has no such header")
	case h.backing:
		return cloud.FieldErrorf("format", "the image needs a backing file; flatten it first (qemu-img convert -O qcow2)")
	case h.dataFile:
		return cloud.FieldErrorf("format", "the image keeps its data in another file; convert it first (qemu-img convert -O qcow2)")
	case h.encrypted:
		return cloud.FieldErrorf("format", "the image is encrypted; convert it first (qemu-img convert -O qcow2)")
	case h.version != 2 && h.version != 3, h.virtualSize <= 0, h.virtualSize > maxVirtualSize:
		return cloud.FieldErrorf("format", "the image's qcow2 header is damaged (version %d, disk of %d bytes)", h.version, h.virtualSize)
	}
	return checkTool(ctx, f.Name())
}

// checkRaw accepts what a BIOS can boot: whole sectors, the first of which has
// the boot signature.
func checkRaw(f *os.File, isQcow2 bool) error {
	if isQcow2 {
		return cloud.FieldErrorf("format", "the image is said to be raw and is qcow2")
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var sig [2]byte
	if info.Size() >= 512 {
		if _, err := f.ReadAt(sig[:], 510); err != nil {
			return err
		}
	}
	if info.Size()%512 != 0 || sig != [2]byte{0x55, 0xaa} {
		return cloud.FieldErrorf("format", "the image is not a disk in the format raw: it must be whole sectors of 512 bytes and begin with a boot sector")
	}
	return nil
}

// checkTool has qemu-img read the tables that the header leads to.
func checkTool(ctx context.Context, path string) error {
	out, err := qemuImg(ctx, filepath.Dir(path), "info", "-f", "qcow2", "--output=json", path)
	var tool *toolError
	if errors.As(err, &tool) {
		return &cloud.Error{
			Kind: cloud.Invalid, Field: "format", Cause: err,
			Message: "the image is not a disk in the format qcow2: qemu-img cannot read it",
		}
	}
	if err != nil {
		return err
	}
	var info struct {
		Backing  string `json:"backing-filename"`
		Specific struct {
			Data struct {
				DataFile string `json:"data-file"`
				Corrupt  bool   `json:"corrupt"`
			} `json:"data"`
		} `json:"format-specific"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return fmt.Errorf("qemu-img info: %w", err)
	}
	if info.Backing != "" || info.Specific.Data.DataFile != "" || info.Specific.Data.Corrupt {
		return cloud.FieldErrorf("format", "the image needs other files or is marked as corrupt; convert it first (qemu-img convert -O qcow2)")
	}
	return nil
}
