package control

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"atoll/internal/cloud"
)

// qcow2File is a header of version 3 for a disk of the size, in a file of 64 KiB.
func qcow2File(virtual uint64, change func(b []byte)) []byte {
	b := make([]byte, 64<<10)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 3)
	binary.BigEndian.PutUint32(b[20:], 16)
	binary.BigEndian.PutUint64(b[24:], virtual)
	binary.BigEndian.PutUint32(b[36:], 1)
	binary.BigEndian.PutUint64(b[40:], 32<<10)
	binary.BigEndian.PutUint32(b[100:], 104)
	if change != nil {
		change(b)
	}
	return b
}

// rawDisk has a boot sector and n bytes.
func rawDisk(n int) []byte {
	b := make([]byte, n)
	copy(b[510:], "\x55\xaa")
	return b
}

func TestReadDiskImage(t *testing.T) {
	t.Parallel()
	put32 := func(at int, v uint32) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint32(b[at:], v) }
	}
	put64 := func(at int, v uint64) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint64(b[at:], v) }
	}
	ext := make([]byte, 4096)
	copy(ext[1080:], "\x53\xef")
	for _, tt := range []struct {
		name string
		file []byte
		want diskImage
		says string // of the refusal; "" for a disk
	}{
		{"qcow2", qcow2File(5<<20+1, nil), diskImage{"qcow2", 6}, ""},
		{"qcow2 version 2", qcow2File(1<<20, put32(4, 2)), diskImage{"qcow2", 1}, ""},
		{"qcow2 zstd", qcow2File(1<<20, put64(72, 8)), diskImage{"qcow2", 1}, ""},
		{"qcow2 version 9", qcow2File(1<<20, put32(4, 9)), diskImage{}, "version 9"},
		{"overlay", qcow2File(1<<20, put64(8, 1024)), diskImage{}, "overlay"},
		{"external data", qcow2File(1<<20, put64(72, 4)), diskImage{}, "another file"},
		{"corrupt", qcow2File(1<<20, put64(72, 2)), diskImage{}, "corrupt"},
		{"unknown feature", qcow2File(1<<20, put64(72, 1<<40)), diskImage{}, "not known"},
		{"encrypted", qcow2File(1<<20, put32(32, 2)), diskImage{}, "encrypted"},
		{"damaged", qcow2File(1<<20, put32(20, 60)), diskImage{}, "damaged"},
		{"empty disk", qcow2File(0, nil), diskImage{}, "0 bytes"},
		{"too large", qcow2File(1<<60, nil), diskImage{}, "64 TiB"},
		{"cut off", qcow2File(1<<20, put64(40, 1<<30)), diskImage{}, "cut off"},
		{"only a magic", []byte("QFI\xfb"), diskImage{}, "cut off"},
		{"boot sector", rawDisk(1 << 20), diskImage{"raw", 1}, ""},
		{"small boot sector", rawDisk(512), diskImage{"raw", 1}, ""},
		{"ext4", ext, diskImage{"raw", 1}, ""},
		{"odd size", rawDisk(1<<20 + 1), diskImage{}, "multiple of 512"},
		{"zeroes", make([]byte, 1<<20), diskImage{}, "neither"},
		{"nothing", nil, diskImage{}, "multiple of 512"},
		{"text", []byte("hello"), diskImage{}, "multiple of 512"},
		{"gzip", append([]byte("\x1f\x8b"), rawDisk(1022)...), diskImage{}, "gzip"},
		{"web page", []byte("<!doctype html><p>sign in"), diskImage{}, "web page"},
		{"vmdk", append([]byte("KDMV"), make([]byte, 508)...), diskImage{}, "VMDK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readDiskImage(bytes.NewReader(tt.file), int64(len(tt.file)))
			if tt.says == "" {
				if err != nil || got != tt.want {
					t.Errorf("readDiskImage() = %v, %v, want %v", got, err, tt.want)
				}
				return
			}
			if !cloud.Is(err, cloud.Invalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("readDiskImage() = %v, want a refusal that says %q", err, tt.says)
			}
		})
	}
}
