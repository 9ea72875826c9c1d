// Package qemu runs virtual machines with QEMU: sal.Machines.
//
// Each machine has a folder DIR/ID with its record, seed, sockets and logs, and
// a QEMU process in a session of its own that outlives the agent. A new agent
// finds it by the lock that the process holds and talks to it through its
// control socket (QMP). How a machine ended can be told afterwards, whether an
// agent looked on or not:
//
//   - the guest powered off: QEMU does not exit (-no-shutdown) but waits in the
//     state "shutdown" until an agent has that on record and tells it to quit;
//   - the agent switched it off: the record says so before QEMU is told;
//   - anything else that ends the process is a crash, or, if the host has booted
//     since, went down with the host.
//
// It must never go through a shell, give QEMU what it does not need (confine),
// or end a process that does not hold the lock of its machine.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// Disks finds the volumes of machines; volume.Volumes does.
type Disks interface {
	// Path returns the absolute path of the volume's qcow2 file; NotFound if
	// there is none.
	Path(id cloud.DiskID) (string, error)
}

// Taps makes the tap devices of machines; sal.Networks does.
type Taps interface {
	Attach(ctx context.Context, network cloud.CloudspaceID, mac string) (tap string, err error)
	Detach(ctx context.Context, network cloud.CloudspaceID, mac string) error
}

// Config says what a driver works with. Dir and Disks are required.
type Config struct {
	Dir     string        // the machines' folder; only one Driver at a time may use it
	Disks   Disks         // where volumes are
	Taps    Taps          // nil: machines have no network cards
	Program string        // "" for qemu-system-x86_64
	Grace   time.Duration // how long a guest may take over a reboot; 0 for sal.StopGrace
	BootID  string        // "" to read the kernel's: another one each time the host boots
	Log     *slog.Logger  // nil for slog.Default()
}

const (
	tmpPrefix = ".tmp-"
	// adoptTimeout is how long New waits for machines that do not answer.
	adoptTimeout = 5 * time.Second
	bootIDFile   = "/proc/sys/kernel/random/boot_id"
)

var macAddress = regexp.MustCompile(`^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$`)

// Driver runs the machines of a node.
type Driver struct {
	cfg     Config
	dir     string
	boot    string // the host's boot id
	changed chan struct{}

	probing     chan struct{} // one probe at a time; guards accelerator
	accelerator string

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the machines' watchers

	mu       sync.Mutex
	machines map[cloud.MachineID]*machine
	epochs   map[cloud.MachineID]int64 // of deleted machines
}

var _ sal.Machines = (*Driver)(nil)

// New opens the folder of machines and adopts those that run. It returns when
// each of them has told its state, or after five seconds.
func New(cfg Config) (*Driver, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	if cfg.Program == "" {
		cfg.Program = "qemu-system-x86_64"
	}
	if cfg.Grace == 0 {
		cfg.Grace = sal.StopGrace
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.BootID == "" {
		b, err := os.ReadFile(bootIDFile)
		if err != nil {
			return nil, fmt.Errorf("machines: %w", err)
		}
		cfg.BootID = strings.TrimSpace(string(b))
	}
	d := &Driver{
		cfg: cfg, dir: dir, boot: cfg.BootID,
		changed: make(chan struct{}, 1), probing: make(chan struct{}, 1),
		machines: map[cloud.MachineID]*machine{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	if d.epochs, err = loadEpochs(dir); err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if err := d.adoptAll(); err != nil {
		d.Close()
		return nil, fmt.Errorf("machines: %w", err)
	}
	return d, nil
}

// Close lets go of the machines, which run on, and waits for the driver's
// goroutines. What is left is one that waits for each process that this driver
// started, so that no zombie remains.
func (d *Driver) Close() error {
	d.cancel()
	d.wg.Wait()
	return nil
}

// adoptAll finds the machines of an earlier agent.
func (d *Driver) adoptAll() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	var settled sync.WaitGroup
	for _, e := range entries {
		dir := filepath.Join(d.dir, e.Name())
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		id := cloud.MachineID(e.Name())
		if !e.IsDir() || validateID(id) != nil {
			continue
		}
		rec, err := loadRecord(dir)
		if errors.Is(err, fs.ErrNotExist) && !alive(dir) {
			// A delete that was cut off, or a start before anything ran.
			err = os.RemoveAll(dir)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		m := d.newMachine(id)
		m.rec = rec
		if m.user = rec.User; m.user == 0 {
			m.user = likelyUser(id)
		}
		d.machines[id] = m
		m.watch(nil)
		settled.Go(m.settled)
	}
	settled.Wait()
	return nil
}

// open returns the machine with its operation lock held, and makes it if create
// is set; nil if there is none. The caller calls m.release.
func (d *Driver) open(ctx context.Context, id cloud.MachineID, create bool) (*machine, error) {
	if err := validateID(id); err != nil {
		return nil, err
	}
	for {
		d.mu.Lock()
		m := d.machines[id]
		if m == nil && create {
			m = d.newMachine(id)
			d.machines[id] = m
		}
		d.mu.Unlock()
		if m == nil {
			return nil, nil
		}
		select {
		case m.op <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("machine %s: %w", id, ctx.Err())
		}
		d.mu.Lock()
		current := d.machines[id] == m
		d.mu.Unlock()
		if current {
			return m, nil
		}
		<-m.op // deleted while we waited
	}
}

// find returns the machine, NotFound if the node does not know it.
func (d *Driver) find(id cloud.MachineID) (*machine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.machines[id]
	if m == nil || !m.known() {
		return nil, cloud.Errorf(cloud.NotFound, "machine %s is not on this node", id)
	}
	return m, nil
}

// newest returns the newest epoch of the machine that the node has seen.
func (d *Driver) newest(m *machine, id cloud.MachineID) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	epoch := d.epochs[id]
	if m != nil {
		epoch = max(epoch, m.epoch())
	}
	return epoch
}

// checkEpoch refuses what was meant for an earlier placement.
func (d *Driver) checkEpoch(m *machine, ref wire.MachineRef) error {
	if newest := d.newest(m, ref.ID); ref.Epoch < newest {
		return cloud.Errorf(cloud.Conflict, "machine %s: this is for placement %d, and the node knows placement %d", ref.ID, ref.Epoch, newest)
	}
	return nil
}

// List returns every machine that the node knows.
func (d *Driver) List(context.Context) ([]wire.MachineState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	states := make([]wire.MachineState, 0, len(d.machines))
	for _, m := range d.machines {
		if s := m.state(); s.ID != "" {
			states = append(states, s)
		}
	}
	return states, nil
}

// Changed receives a value after a machine's power changed.
func (d *Driver) Changed() <-chan struct{} { return d.changed }

func (d *Driver) notify() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Console opens the serial console with its last 64 KiB. It ends when the
// machine goes off; of a machine that is off one can read what it said.
func (d *Driver) Console(_ context.Context, id cloud.MachineID) (io.ReadWriteCloser, error) {
	m, err := d.find(id)
	if err != nil {
		return nil, err
	}
	return m.console.open(), nil
}

// Screen opens the VNC stream. Conflict if the machine is off.
func (d *Driver) Screen(ctx context.Context, id cloud.MachineID) (io.ReadWriteCloser, error) {
	m, err := d.find(id)
	if err != nil {
		return nil, err
	}
	if s := m.state(); s.Power != cloud.PowerOn {
		return nil, cloud.StateErrorf(string(s.Power), "machine %s is %s and has no screen; start it first", id, s.Power)
	}
	conn, err := dialIn(ctx, m.dir, vncSocket)
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the screen of machine %s does not answer", id)
	}
	return conn, nil
}
