package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"atoll/internal/cloud"
)

// The formats of images.
const (
	formatQCOW2 = "qcow2"
	formatRaw   = "raw"
)

// sector is what the size of a raw disk is a multiple of.
const sector = 512

// maxVirtual is the largest disk that an image may describe.
const maxVirtual = 64 << 40

// diskImage is what the beginning of an image file says.
type diskImage struct {
	Format     string
	VirtualMiB int64 // size of the disk, rounded up
}

// headBytes reaches to the farthest signature, that of btrfs.
const headBytes = 0x10040 + 8

// readDiskImage reads the header of an image file of the given size in bytes. A
// file that is no disk, or one that refers to other files, is Invalid.
func readDiskImage(r io.Reader, size int64) (diskImage, error) {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return diskImage{}, err
	}
	head = head[:n]
	d, virtual := diskImage{Format: formatRaw}, size
	if bytes.HasPrefix(head, []byte("QFI\xfb")) {
		d.Format = formatQCOW2
		virtual, err = readQCOW2(head, size)
	} else {
		err = checkRaw(head, size)
	}
	d.VirtualMiB = (virtual + 1<<20 - 1) >> 20
	return d, err
}

func noDisk(format string, args ...any) error {
	return cloud.FieldErrorf("file", "is no disk image: "+format, args...)
}

// The incompatible features of qcow2 that may be set: dirty, zstd compression,
// extended level 2 entries
// (https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst).
const (
	qcowCorrupt   = 1 << 1
	qcowDataFile  = 1 << 2
	qcowHarmless  = 1<<0 | 1<<3 | 1<<4
	qcowMinHeader = 72
)

// readQCOW2 returns the size of the disk in bytes. What would make QEMU open
// other files is refused: they would be files of the node.
func readQCOW2(head []byte, size int64) (int64, error) {
	if len(head) < qcowMinHeader+8 {
		return 0, noDisk("the qcow2 header is cut off")
	}
	be32 := func(at int) uint64 { return uint64(binary.BigEndian.Uint32(head[at:])) }
	be64 := func(at int) uint64 { return binary.BigEndian.Uint64(head[at:]) }
	version, virtual, l1 := be32(4), be64(24), be64(40)
	var features uint64
	if version == 3 {
		features = be64(qcowMinHeader)
	}
	switch bits := be32(20); {
	case version != 2 && version != 3:
		return 0, noDisk("it has version %d of qcow2; 2 and 3 are known", version)
	case be64(8) != 0 || be32(16) != 0:
		return 0, noDisk("it is an overlay of another file; make it whole with 'qemu-img convert -O qcow2'")
	case features&qcowDataFile != 0:
		return 0, noDisk("its data is in another file; make it whole with 'qemu-img convert -O qcow2'")
	case features&qcowCorrupt != 0:
		return 0, noDisk("it is marked as corrupt; see 'qemu-img check'")
	case features&^qcowHarmless != 0:
		return 0, noDisk("it needs features of qcow2 that are not known here (%#x)", features)
	case be32(32) != 0:
		return 0, noDisk("it is encrypted; decrypt it with 'qemu-img convert'")
	case bits < 9 || bits > 21:
		return 0, noDisk("its qcow2 header is damaged (cluster size 2^%d)", bits)
	case virtual == 0 || virtual > maxVirtual:
		return 0, noDisk("it describes a disk of %d bytes; 1 to 64 TiB are possible", virtual)
	case l1 < qcowMinHeader || l1 > uint64(size):
		return 0, noDisk("the file is cut off or damaged: its table of contents is outside of it")
	}
	return int64(virtual), nil
}

// mark is a signature at an offset.
type mark struct {
	at   int
	text string
	what string
}

// diskMarks are how disks begin: a partition table, or a file system on the
// whole disk.
var diskMarks = []mark{
	{510, "\x55\xaa", "boot sector"},
	{512, "EFI PART", "GPT"},
	{1080, "\x53\xef", "ext"},
	{0, "XFSB", "XFS"},
	{0x10040, "_BHRfS_M", "btrfs"},
	{0, "hsqs", "squashfs"},
	{0x8001, "CD001", "ISO 9660"},
	{512, "LABELONE", "LVM"},
}

// otherMarks are files that people take for disk images, with the way out.
var otherMarks = []mark{
	{0, "\x1f\x8b", "it is compressed with gzip; unpack it first"},
	{0, "\xfd7zXZ\x00", "it is compressed with xz; unpack it first"},
	{0, "\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it first"},
	{0, "BZh", "it is compressed with bzip2; unpack it first"},
	{0, "PK\x03\x04", "it is a zip archive; unpack it first"},
	{257, "ustar", "it is a tar archive; unpack it first"},
	{0, "KDMV", "it is a VMDK; convert it with 'qemu-img convert -O qcow2'"},
	{0, "# Disk Descriptor", "it is the description of a VMDK; convert that with 'qemu-img convert -O qcow2'"},
	{0, "vhdxfile", "it is a VHDX; convert it with 'qemu-img convert -O qcow2'"},
	{0, "conectix", "it is a VHD; convert it with 'qemu-img convert -O qcow2'"},
	{64, "\x7f\x10\xda\xbe", "it is a VDI; convert it with 'qemu-img convert -O qcow2'"},
	{0, "<!DOCTYPE", "it is a web page; is the address that of the file itself?"},
	{0, "<html", "it is a web page; is the address that of the file itself?"},
}

func (m mark) in(head []byte) bool {
	return len(head) >= m.at+len(m.text) && bytes.EqualFold(head[m.at:m.at+len(m.text)], []byte(m.text))
}

func checkRaw(head []byte, size int64) error {
	for _, m := range otherMarks {
		if m.in(head) {
			return noDisk("%s", m.what)
		}
	}
	if size == 0 || size%sector != 0 {
		return noDisk("a raw disk has a multiple of %d bytes, not %d; was it cut off?", sector, size)
	}
	for _, m := range diskMarks {
		if m.in(head) {
			return nil
		}
	}
	return noDisk("it has neither a qcow2 header nor a boot sector, a partition table or a known file system")
}
