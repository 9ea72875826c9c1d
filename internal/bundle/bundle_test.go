package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atoll/internal/cloud"
)

// entries makes an archive as no tar would.
func entries(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		body := []byte(nil)
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			body = []byte("#!/bin/sh\n")
			h.Size = int64(len(body))
		}
		if h.Mode == 0 {
			h.Mode = 0o6755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	err := Unpack(bytes.NewReader(entries(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "./utils/", Typeflag: tar.TypeDir}, tar.Header{Name: "./utils/create"},
		tar.Header{Name: "utils/lib/plain", Mode: 0o444}, tar.Header{Name: "utils/update", Typeflag: tar.TypeSymlink, Linkname: "create"},
	)), dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		got[strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")] = info.Mode()
		return err
	})
	if err != nil || got["utils/create"] != 0o755 || got["utils/lib/plain"] != 0o644 || got["utils/lib"] != fs.ModeDir|0o755 || got["utils/update"].Type() != fs.ModeSymlink {
		t.Errorf("unpacked %v, %v", got, err)
	}
	if folder, err := Folder(dir); err != nil || folder != dir+"/utils" {
		t.Errorf("Folder() = %s, %v", folder, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	many := make([]tar.Header, cloud.MaxBundleFiles+1)
	for i := range many {
		many[i] = tar.Header{Name: fmt.Sprint("f", i), Typeflag: tar.TypeDir}
	}
	link := tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}
	whole := entries(t, tar.Header{Name: "create"})
	for name, tt := range map[string]struct {
		archive []byte
		kind    cloud.ErrorKind
		says    string
	}{
		"empty":            {nil, cloud.Invalid, "empty"},
		"no archive":       {[]byte(strings.Repeat("no archive ", 100)), cloud.Invalid, "cannot be read"},
		"no gzip":          {[]byte("\x1f\x8bxxxxxxxxxxxxxxxx"), cloud.Invalid, "cannot be read"},
		"cut off":          {whole[:len(whole)/2], cloud.Invalid, "cannot be read"},
		"upwards":          {entries(t, tar.Header{Name: "../create"}), cloud.Invalid, "no path inside"},
		"upwards within":   {entries(t, tar.Header{Name: "a/../../create"}), cloud.Invalid, "no path inside"},
		"absolute":         {entries(t, tar.Header{Name: "/etc/passwd"}), cloud.Invalid, "no path inside"},
		"absolute link":    {entries(t, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc"}), cloud.Invalid, "leads out"},
		"link upwards":     {entries(t, tar.Header{Name: "a/b", Typeflag: tar.TypeSymlink, Linkname: "../../etc"}), cloud.Invalid, "leads out"},
		"twice":            {entries(t, tar.Header{Name: "a"}, tar.Header{Name: "a"}), cloud.Invalid, "twice"},
		"file over a link": {entries(t, link, tar.Header{Name: "a"}), cloud.Invalid, "twice"},
		"below a file":     {entries(t, tar.Header{Name: "a"}, tar.Header{Name: "a/b"}), cloud.Invalid, "in its way"},
		"hard link":        {entries(t, tar.Header{Name: "a"}, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}), cloud.Invalid, "no file, folder"},
		"device":           {entries(t, tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}), cloud.Invalid, "no file, folder"},
		"many files":       {entries(t, many...), cloud.TooLarge, "more than"},
		"bomb":             {bomb(t), cloud.TooLarge, "more than"},
	} {
		dir := t.TempDir()
		err := Unpack(bytes.NewReader(tt.archive), filepath.Join(dir, "."))
		if !cloud.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want kind %s, %q", name, err, tt.kind, tt.says)
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "create")); err == nil {
			t.Errorf("%s: wrote outside of the folder", name)
		}
	}
}

// bomb is an archive whose header promises more than may be unpacked.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := tar.NewWriter(z).WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: cloud.MaxBundleUnpacked + 1}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheck(t *testing.T) {
	found, err := Check(bytes.NewReader(entries(t, tar.Header{Name: "utils/create"}, tar.Header{Name: "utils/app_overrides"}, tar.Header{Name: "utils/init"}, tar.Header{Name: "utils/readme", Mode: 0o600})))
	if want := []cloud.ControlScript{cloud.ScriptInit, cloud.ScriptCreate, cloud.ScriptAppConfig}; err != nil || !slices.Equal(found, want) {
		t.Errorf("Check() = %v, %v; want %v", found, err, want)
	}
	for says, headers := range map[string][]tar.Header{
		"no control script create":                {{Name: "a/b/create"}, {Name: "update"}},
		"create in the archive is not executable": {{Name: "create", Mode: 0o644}},
		"no path inside":                          {{Name: "create"}, {Name: "../x"}},
	} {
		if _, err := Check(bytes.NewReader(entries(t, headers...))); !cloud.Is(err, cloud.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(entries(f, tar.Header{Name: "utils/create"}, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "utils"}))
	f.Add(entries(f, tar.Header{Name: "../x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := Read(bytes.NewReader(b), func(e Entry) error {
			if !filepath.IsLocal(e.Name) || e.Link != "" && filepath.IsAbs(e.Link) {
				t.Errorf("entry %q, link %q leads out", e.Name, e.Link)
			}
			return nil
		})
		if err != nil && !cloud.Is(err, cloud.Invalid) && !cloud.Is(err, cloud.TooLarge) {
			t.Errorf("Read() = %v, want kind invalid or too-large", err)
		}
	})
}
