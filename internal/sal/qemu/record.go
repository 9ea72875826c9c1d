package qemu

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// The files of a machine's folder. Sockets are made by QEMU, which runs in it.
const (
	recordFile    = "machine.json"
	lockFile      = "lock" // held by the QEMU process
	seedFile      = "seed.iso"
	logFile       = "qemu.log" // what QEMU says on stderr in its current run
	consoleLog    = "console.log"
	qmpSocket     = "qmp.sock"
	consoleSocket = "console.sock"
	vncSocket     = "vnc.sock"

	epochsFile = "epochs" // beside the machines' folders
)

// record is what a machine's folder remembers of it.
type record struct {
	Spec     wire.MachineSpec `json:"spec"` // without the seed, which may hold secrets
	HostBoot string           `json:"host_boot"`
	User     uint32           `json:"user,omitempty"`  // id of the process's user; of older agents see likelyUser
	Since    cloud.Time       `json:"since,omitempty"` // of the current or last run
	Taps     []string         `json:"taps,omitempty"`  // its devices
	// Ended tells how the last run ended, or will in a moment: it is written
	// before QEMU is told to quit, so that whoever finds no process knows why.
	// nil while the machine runs; no process and no Ended is a crash.
	Ended *ended `json:"ended,omitempty"`
}

// ended is the end of a run.
type ended struct {
	Power  cloud.Power `json:"power"` // off or crashed
	Detail string      `json:"detail"`
	// WithHost is set when the host went down under the machine.
	WithHost bool `json:"with_host,omitempty"`
	// Usage is the last that is known of the run.
	Usage wire.Usage `json:"usage,omitzero"`
}

// save writes the record by rename, so that there is always a whole one.
func (r *record) save(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, recordFile), b)
}

func loadRecord(dir string) (*record, error) {
	b, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return &r, nil
}

// writeFile replaces a file for good or not at all.
func writeFile(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// takeLock takes the machine's lock, or returns nil if a QEMU process holds it.
// The process inherits it, so that it is held exactly as long as that lives:
// no pid that is used again and no killed agent can make that wrong.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		f.Close()
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// alive reports whether the machine's QEMU process exists.
func alive(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// loadEpochs reads the epochs of deleted machines, one "id epoch" a line.
func loadEpochs(dir string) (map[cloud.MachineID]int64, error) {
	epochs := map[cloud.MachineID]int64{}
	f, err := os.Open(filepath.Join(dir, epochsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return epochs, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var id cloud.MachineID
		var epoch int64
		// A line that was cut off by a crash belongs to a delete that will be repeated.
		if n, _ := fmt.Sscanf(lines.Text(), "%s %d.", &id, &epoch); n == 2 && strings.HasSuffix(lines.Text(), ".") {
			epochs[id] = max(epochs[id], epoch)
		}
	}
	return epochs, lines.Err()
}

// addEpoch remembers the epoch of a deleted machine for good.
func addEpoch(dir string, id cloud.MachineID, epoch int64) error {
	f, err := os.OpenFile(filepath.Join(dir, epochsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// The line begins with a line end in case the one before was cut off.
	_, err = fmt.Fprintf(f, "\n%s %d.\n", id, epoch)
	return errors.Join(err, f.Sync(), f.Close(), syncDir(dir))
}

// lastWords returns the last two lines that QEMU said, for people: the second
// is often only a hint on the first.
func lastWords(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		return ""
	}
	const most = 600
	b = b[max(0, len(b)-4096):]
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(b), "")), "\n")
	last := strings.Join(lines[max(0, len(lines)-2):], "; ")
	return strings.ToValidUTF8(last[:min(len(last), most)], "")
}
