// Package sal is the System Abstraction Layer: the thin interfaces through
// which an agent's actions touch a node. Drivers live below it; package saltest
// is their conformance suite, and sim is a driver that simulates a whole node.
//
// It must never know about jobs, the controller or the store: a driver is told
// what should be and makes it so. Every method is idempotent unless it says
// otherwise, and safe to call while the same call runs.
package sal

import (
	"context"
	"io"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// Node is everything an agent can do to its host. A nil Machines means that
// the node offers no compute role; a nil Networks, no network role; a nil
// Services, no deployments that are processes.
type Node struct {
	Host      Host
	Processes Processes
	Images    Images
	Volumes   Volumes
	Machines  Machines
	Networks  Networks
	Services  Services
	Simulated bool
}

// Host tells what the host is.
type Host interface {
	// Facts reads the host's facts afresh; it takes at most a second.
	Facts(ctx context.Context) (cloud.NodeFacts, error)
}

// Processes runs commands, each in a cgroup of its own.
type Processes interface {
	// Run runs the command until it and everything it started has ended, and
	// returns how it ended. When ctx ends first, the process group gets SIGTERM,
	// five seconds later the cgroup is killed as a whole, and Exit.Killed is set.
	// An error means that the command did not start (cloud.Invalid: no such
	// program or user; cloud.Denied: not permitted).
	Run(ctx context.Context, cmd Command) (Exit, error)
	// Remnants ends what an earlier agent's jobs left running and returns their names.
	Remnants(ctx context.Context) ([]string, error)
}

// Command is what to run.
type Command struct {
	Name   string // unique among running ones: the job's id
	Argv   []string
	Env    []string
	Dir    string // "" for an empty private folder that is removed afterwards
	Stdin  []byte
	Output io.Writer // gets stdout and stderr; a writer that blocks holds the command back
	Stdout io.Writer // gets stdout in Output's place, if it is not nil; never both at the same time, what was written at one moment in any order
	RunAs  string    // cloud.RunAsRoot, or the user id of a project
	Limits Limits
	// Show lists folders that a project's command sees, to read, although they lie
	// where it sees nothing.
	Show []string
	// Files are for this command of a project alone: its user's, mode 0600, by name
	// in the folder FilesDir, in memory. They end with it.
	Files map[string][]byte
}

// SearchPath is the PATH of commands that bring none.
const SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// FilesDir is where a command finds Command.Files.
const FilesDir = "/tmp/atoll"

// Limits bound a command; 0 takes the driver's default.
type Limits struct {
	MemoryMiB int64
	Processes int64
}

// Exit tells how a command ended.
type Exit struct {
	Code      int    // exit code; 128 + signal number when a signal ended it
	Killed    bool   // ctx ended first
	OOM       bool   // the memory limit ended it
	Simulated bool   // nothing was executed
	Detail    string // for people, "" when there is nothing to add
}

// Images is the node's cache of images.
type Images interface {
	// Ensure returns when the image is in the cache, fetching it at most once at
	// a time. A checksum or size that differs is cloud.Invalid and leaves nothing.
	Ensure(ctx context.Context, image wire.ImageArgs, fetch func(context.Context) (io.ReadCloser, error)) error
	// List returns the checksums of the cached images.
	List(ctx context.Context) ([]string, error)
	// Delete drops an image from the cache; volumes made from it are not hurt
	// (cloud.Conflict while a volume still needs it).
	Delete(ctx context.Context, sha256 string) error
}

// Volumes makes the disks of machines.
type Volumes interface {
	// Ensure makes the volume if it is missing and grows it if it is smaller.
	// Its image must be in the cache (cloud.NotFound). It never shrinks.
	Ensure(ctx context.Context, volume wire.VolumeArgs) error
	// Delete removes the volume; one that does not exist is no error.
	Delete(ctx context.Context, id cloud.DiskID) error
	// List returns all volumes.
	List(ctx context.Context) ([]cloud.DiskID, error)
}

// Machines runs virtual machines that outlive the agent.
type Machines interface {
	// Probe tries the accelerators with a tiny guest and returns the one to use
	// (kvm, tcg, sim). cloud.Unavailable if none works; the message says why.
	Probe(ctx context.Context) (string, error)
	// Start has the machine run as specified. A running machine stays as it is.
	// An epoch older than the newest known one is cloud.Conflict.
	Start(ctx context.Context, spec wire.MachineSpec) error
	// Stop asks the guest to power off and switches it off after the grace.
	Stop(ctx context.Context, stop wire.MachineStop) error
	// Reboot restarts the guest: asked at first, reset if it does not obey.
	// It is not idempotent: each call restarts.
	Reboot(ctx context.Context, ref wire.MachineRef) error
	// Delete stops the machine hard and removes all that Start made. It
	// remembers the epoch, so that a late Start of an older one is refused.
	Delete(ctx context.Context, ref wire.MachineRef) error
	// List returns every machine that the node knows, running or not.
	List(ctx context.Context) ([]wire.MachineState, error)
	// Usage returns what each machine moved in its current or last run, of those
	// that had one. Within a run no counter goes back.
	Usage(ctx context.Context) ([]wire.Usage, error)
	// Changed receives a value after a machine's power changed. One reader.
	Changed() <-chan struct{}
	// Console opens the serial console; several readers share it.
	Console(ctx context.Context, id cloud.MachineID) (io.ReadWriteCloser, error)
	// Screen opens the VNC (RFB) stream of the screen.
	Screen(ctx context.Context, id cloud.MachineID) (io.ReadWriteCloser, error)
}

// Networks makes the networks of cloudspaces.
type Networks interface {
	// Ensure makes the network exactly so: leases and forwards that the
	// specification does not name are removed. An older generation than the one
	// it has is cloud.Conflict; a public port that something else on the host
	// holds is cloud.Conflict with Field public_port.
	Ensure(ctx context.Context, spec wire.NetworkSpec) error
	// Delete removes everything of the network; one that does not exist is no error.
	Delete(ctx context.Context, ref wire.NetworkRef) error
	// List returns the networks that the node has.
	List(ctx context.Context) ([]wire.NetworkRef, error)
	// Attach makes the tap device of one network card and returns its name.
	Attach(ctx context.Context, network cloud.CloudspaceID, mac string) (tap string, err error)
	// Detach removes the tap device; one that does not exist is no error.
	Detach(ctx context.Context, network cloud.CloudspaceID, mac string) error
}

// StopGrace is how long a guest has to power off when nobody says otherwise.
const StopGrace = 30 * time.Second
