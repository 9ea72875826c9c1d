package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	saltest.Images(t, func(t *testing.T) sal.Images { return open(t, t.TempDir()).Images() })
	saltest.Volumes(t, func(t *testing.T) saltest.VolumesEnv {
		s := open(t, t.TempDir())
		return saltest.VolumesEnv{Images: s.Images(), Volumes: s.Volumes()}
	})
}

// qcow2 makes an image with qemu-img.
func qcow2(t *testing.T, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	if _, err := qemuImg(t.Context(), dir, append(append([]string{"create", "-q", "-f", "qcow2"}, args...), "i.qcow2", "2G")...); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "i.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestImageThatIsNoDisk(t *testing.T) {
	good := qcow2(t)
	raw, _ := saltest.RawImage(nil)
	patch := func(at int, v uint64) []byte {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint64(b[at:], v)
		return b
	}
	backed := func(of string) []byte { return qcow2(t, "-u", "-b", of, "-F", "raw") }
	for name, tt := range map[string]struct {
		content []byte
		format  string
		want    cloud.ErrorKind
	}{
		"good":             {good, "qcow2", ""},
		"text":             {[]byte("<html>404</html>"), "qcow2", cloud.Invalid},
		"text as raw":      {[]byte("<html>404</html>"), "raw", cloud.Invalid},
		"zeros as raw":     {make([]byte, 1024), "raw", cloud.Invalid},
		"qcow2 as raw":     {good, "raw", cloud.Invalid},
		"raw as qcow2":     {raw, "qcow2", cloud.Invalid},
		"backing file":     {backed("/etc/shadow"), "qcow2", cloud.Invalid},
		"backing protocol": {backed("nbd://127.0.0.1:1/x"), "qcow2", cloud.Invalid},
		"data file":        {qcow2(t, "-o", "data_file=x.raw,data_file_raw=on"), "qcow2", cloud.Invalid},
		"encrypted":        {patch(32, 1<<32), "qcow2", cloud.Invalid},
		"huge":             {patch(24, 1<<62), "qcow2", cloud.Invalid},
		"cut off":          {good[:80], "qcow2", cloud.Invalid},
		"damaged":          {patch(32, 1<<31-1), "qcow2", cloud.Invalid}, // size of the first table,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			err := s.Images().Ensure(t.Context(), saltest.Args(tt.content, tt.format), saltest.From(tt.content))
			if cloud.KindOf(err) != tt.want {
				t.Errorf("Ensure() = %v, want kind %q", err, tt.want)
			}
			if tt.want != "" {
				wantEmpty(t, filepath.Join(dir, "images"))
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := open(t, dir)
	content, args := saltest.RawImage(nil) // 1 MiB
	if err := s.Images().Ensure(t.Context(), args, saltest.From(content)); !cloud.Is(err, cloud.Capacity) {
		t.Errorf("Ensure(image) = %v, want capacity", err)
	}
	wantEmpty(t, filepath.Join(dir, "images"))

	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 400<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Volumes().Ensure(t.Context(), wire.VolumeArgs{ID: cloud.NewID[cloud.DiskID](), SizeGiB: 1})
	if !cloud.Is(err, cloud.Capacity) {
		t.Errorf("Ensure(volume) = %v, want capacity", err)
	}
	wantEmpty(t, filepath.Join(dir, "volumes"))
}

// A volume has its image's content, keeps its own size, and refuses to be
// smaller than its image.
func TestVolumeFromImage(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	content := qcow2(t) // a disk of 2 GiB
	args := saltest.Args(content, "qcow2")
	if err := s.Images().Ensure(ctx, args, saltest.From(content)); err != nil {
		t.Fatal(err)
	}
	vol := wire.VolumeArgs{ID: cloud.NewID[cloud.DiskID](), SizeGiB: 1, Image: &args}
	if err := s.Volumes().Ensure(ctx, vol); !cloud.Is(err, cloud.Invalid) {
		t.Errorf("Ensure(1 GiB) = %v, want invalid", err)
	}
	for _, gibs := range []int64{2, 5} {
		vol.SizeGiB = gibs
		if err := s.Volumes().Ensure(ctx, vol); err != nil {
			t.Fatal(err)
		}
		path, err := s.Volumes().Path(vol.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := virtualSize(path, "qcow2"); got != gibs<<30 || err != nil {
			t.Errorf("virtual size = %d, %v, want %d GiB", got, err, gibs)
		}
		if _, err := qemuImg(ctx, "/", "check", "-q", path); err != nil {
			t.Error(err)
		}
	}
}

// What a killed agent left half done is removed when the next one opens the store.
func TestRemnants(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"images/.tmp-1", "volumes/.tmp-2/base"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	wantEmpty(t, filepath.Join(dir, "images"))
	wantEmpty(t, filepath.Join(dir, "volumes"))
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s was left in %s", e.Name(), dir)
	}
}
