package qemu

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdomanski/iso9660"

	"atoll/internal/wire"
)

// FuzzSeed writes seeds of any content: a guest finds the same bytes, and no
// other file.
func FuzzSeed(f *testing.F) {
	f.Add("instance-id: a\n", "#cloud-config\n{}\n", "")
	f.Add("", "", "version: 2\n")
	f.Add("\x00\xff", "#!/bin/sh\necho \"$(reboot)\"\n", "../../etc/passwd")
	f.Fuzz(func(t *testing.T, meta, user, network string) {
		dir := t.TempDir()
		want := map[string]string{"meta-data": meta, "user-data": user, "network-config": network}
		if network == "" {
			delete(want, "network-config")
		}
		if err := writeSeed(dir, wire.Seed{MetaData: meta, UserData: user, NetworkConfig: network}); err != nil {
			t.Fatal(err)
		}
		got := readSeed(t, dir)
		if len(got) != len(want) {
			t.Errorf("%d files, want %d", len(got), len(want))
		}
		for name, content := range want {
			if got[name] != content {
				t.Errorf("%s is %.100q, want %.100q", name, got[name], content)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("the folder holds %v, %v", entries, err)
		}
	})
}

// readSeed reads a seed as a guest does.
func readSeed(t *testing.T, dir string) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, seedFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the seed has the mode %v, %v: user-data often holds passwords", st.Mode(), err)
	}
	image, err := iso9660.OpenImage(f)
	if err != nil {
		t.Fatal(err)
	}
	if label, err := image.Label(); strings.TrimSpace(label) != "cidata" || err != nil {
		t.Errorf("label = %q, %v, want cidata", label, err)
	}
	root, err := image.RootDir()
	if err != nil {
		t.Fatal(err)
	}
	files, err := root.GetChildren()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		b, err := io.ReadAll(f.Reader())
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name()] = string(b)
	}
	return got
}
