package qemu

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/sal/saltest"
	"atoll/internal/sal/volume"
	"atoll/internal/wire"
)

// env is a driver on a fresh folder.
type env struct {
	*Driver
	cfg  Config
	vols *volume.Store
}

func newEnv(t *testing.T) *env {
	t.Helper()
	// Far more than the 108 bytes that the path of a socket may have.
	data := filepath.Join(t.TempDir(), "a-data-folder-with-a-long-name-that-operators-may-well-choose-for-it-and-that-must-work-too")
	vols, err := volume.New(data)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{cfg: Config{Dir: filepath.Join(data, "machines"), Disks: vols.Volumes(), Grace: 5 * time.Second}, vols: vols}
	knowAccelerator(t, e.cfg.Dir)
	e.open(t)
	t.Cleanup(func() { e.end(t) })
	return e
}

// probed is the outcome of the one probe of this test run.
var probed = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	d, err := New(Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if _, err := d.Probe(context.Background()); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, acceleratorFile))
})

func knowAccelerator(t *testing.T, dir string) {
	t.Helper()
	b, err := probed()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, acceleratorFile), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (e *env) open(t *testing.T) {
	t.Helper()
	d, err := New(e.cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Driver = d
}

// restart is what happens when the agent is restarted.
func (e *env) restart(t *testing.T) sal.Machines {
	t.Helper()
	e.Close()
	e.open(t)
	return e.Driver
}

// end deletes all machines and checks that nothing is left of them.
func (e *env) end(t *testing.T) {
	defer e.Close()
	states, err := e.List(context.Background())
	if err != nil {
		t.Error(err)
	}
	for _, s := range states {
		if err := e.Delete(context.Background(), wire.MachineRef{ID: s.ID, Epoch: s.Epoch}); err != nil {
			t.Error(err)
		}
	}
	wantNothingLeft(t, e.cfg.Dir)
}

// volume makes a volume that boots the test guest.
func (e *env) volume(t *testing.T) cloud.DiskID {
	t.Helper()
	content, args := saltest.RawImage(testGuest)
	if err := e.vols.Images().Ensure(t.Context(), args, saltest.From(content)); err != nil {
		t.Fatal(err)
	}
	id := cloud.NewID[cloud.DiskID]()
	if err := e.vols.Volumes().Ensure(t.Context(), wire.VolumeArgs{ID: id, SizeGiB: 1, Image: &args}); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestConformance(t *testing.T) {
	saltest.Machines(t, func(t *testing.T) saltest.MachinesEnv {
		e := newEnv(t)
		return saltest.MachinesEnv{Machines: e.Driver, Volume: e.volume, Real: true, Restart: e.restart}
	})
}

// wantNothingLeft looks for processes and files of the machines in dir.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	cmdlines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Error(err)
	}
	for _, name := range cmdlines {
		if b, _ := os.ReadFile(name); bytes.Contains(b, []byte(filepath.Dir(dir))) {
			t.Errorf("a process is left: %s", bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if e.Name() != epochsFile && e.Name() != acceleratorFile {
			t.Errorf("%s is left in %s", e.Name(), dir)
		}
	}
}
