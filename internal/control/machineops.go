package control

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// stopGrace is how long a guest has to power off before it is switched off.
const stopGrace = 30 * time.Second

func (c *Control) machineOperations() []op.Definition {
	return []op.Definition{
		{
			Kind: "machine.create", Limit: 2 * time.Hour, Settled: c.created, Retry: c.retryCreate,
			Steps: []op.Step{
				{Name: "fetch image", Do: fetchImage, Undo: freeGateway},
				{Name: "make disk", Do: makeDisk, Undo: removeDisk},
				{Name: "make network", Do: machineNetwork, Undo: machineNetworkGone},
				{Name: "start", Do: startMachine, Undo: removeMachine},
			},
		},
		{
			Kind: "machine.start", Limit: opLimit, Settled: settlePower(cloud.MachineRunning, cloud.MachineStopped),
			Steps: []op.Step{{Name: "make network", Do: machineNetwork}, {Name: "start", Do: startMachine}},
		},
		{
			Kind: "machine.stop", Limit: opLimit, Settled: settlePower(cloud.MachineStopped, cloud.MachineRunning),
			Steps: []op.Step{{Name: "stop", Do: stopMachine}},
		},
		{
			Kind: "machine.reboot", Limit: opLimit, Settled: settlePower(cloud.MachineRunning, cloud.MachineRunning),
			Steps: []op.Step{{Name: "reboot", Do: rebootMachine}},
		},
		{
			Kind: "machine.resize", Limit: opLimit, Settled: settleResize,
			Steps: []op.Step{{Name: "grow disk", Do: growDisk}},
		},
		{
			Kind: "machine.delete", Limit: opLimit, Settled: c.deleted,
			Steps: []op.Step{
				{Name: "wait for the operation before", Do: waitBefore},
				{Name: "remove machine", Do: removeMachine},
				{Name: "remove disk", Do: removeDisk},
				{Name: "update network", Do: machineNetworkGone},
			},
		},
	}
}

// machineOf is the operation's machine with its boot disk.
func machineOf(s *op.Scope) (*cloud.Machine, *cloud.Disk, error) {
	m, err := s.Tx.Machine(cloud.MachineID(s.Op.SubjectID))
	if err != nil {
		return nil, nil, err
	}
	disks, err := s.Tx.DisksOf(m.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(disks) == 0 {
		return nil, nil, cloud.Errorf(cloud.Internal, "machine %s has no boot disk", m.Name)
	}
	return m, &disks[0], nil
}

func imageArgs(tx *store.Tx, id cloud.ImageID) (*wire.ImageArgs, error) {
	img, err := tx.Image(id)
	if err != nil {
		return nil, err
	}
	return &wire.ImageArgs{SHA256: img.SHA256, Size: img.Size, Format: img.Format}, nil
}

func fetchImage(s *op.Scope) error {
	m, _, err := machineOf(s)
	if err != nil {
		return err
	}
	s.Progress(5, "fetching the image to its node")
	_, err = s.Job(func() (cloud.Job, error) {
		args, err := imageArgs(s.Tx, m.ImageID)
		if err != nil {
			return cloud.Job{}, err
		}
		j, err := jobOf(m.NodeID, wire.ActionImageEnsure, cloud.QueueIO, args)
		j.TimeoutMS = time.Hour.Milliseconds()
		return j, err
	})
	return err
}

func makeDisk(s *op.Scope) error {
	m, d, err := machineOf(s)
	if err != nil {
		return err
	}
	if err := reclaim(s, m.NodeID, cloud.LeftoverVolume, string(d.ID)); err != nil {
		return err
	}
	s.Progress(25, "making the disk")
	_, err = s.Job(func() (cloud.Job, error) {
		args, err := imageArgs(s.Tx, m.ImageID)
		if err != nil {
			return cloud.Job{}, err
		}
		return jobOf(m.NodeID, wire.ActionVolumeEnsure, cloud.QueueIO, wire.VolumeArgs{ID: d.ID, SizeGiB: d.SizeGiB, Image: args})
	})
	return err
}

func removeDisk(s *op.Scope) error {
	_, d, err := machineOf(s)
	if err != nil {
		return err
	}
	return s.UndoJob("", func() (cloud.Job, error) {
		return jobOf(d.NodeID, wire.ActionVolumeDelete, cloud.QueueIO, wire.VolumeRef{ID: d.ID})
	}, cloud.Leftover{NodeID: d.NodeID, Kind: cloud.LeftoverVolume, ObjectID: string(d.ID)})
}

func startMachine(s *op.Scope) error {
	m, d, err := machineOf(s)
	if err != nil {
		return err
	}
	s.Progress(75, "starting")
	if _, err := s.Job(func() (cloud.Job, error) {
		spec, err := machineSpec(m, d)
		if err != nil {
			return cloud.Job{}, err
		}
		return jobOf(m.NodeID, wire.ActionMachineStart, cloud.QueueHypervisor, spec)
	}); err != nil {
		return err
	}
	return observed(s, m, cloud.PowerOn)
}

// machineSpec is all that the node must know.
func machineSpec(m *cloud.Machine, d *cloud.Disk) (*wire.MachineSpec, error) {
	meta, err := yaml.Marshal(map[string]any{
		"instance-id": string(m.ID), "local-hostname": m.Name, "public-keys": m.SSHKeys,
	})
	if err != nil {
		return nil, err
	}
	return &wire.MachineSpec{
		MachineRef: wire.MachineRef{ID: m.ID, Epoch: m.PlacementEpoch}, Name: m.Name, VCPUs: m.VCPUs, MemoryMiB: m.MemoryMiB,
		Disks: []cloud.DiskID{d.ID}, NICs: []wire.NIC{{Network: m.CloudspaceID, MAC: m.MAC}},
		Seed: wire.Seed{MetaData: string(meta)}, // see wireArgs
	}, nil
}

// wireArgs completes the arguments of a job for its agent: user-data often holds
// passwords, and readers of the account see the arguments that a job is stored with.
func (c *Control) wireArgs(tx *store.Tx, j *cloud.Job) (json.RawMessage, error) {
	if j.Action == wire.ActionControlRun {
		return c.controlArgs(j)
	}
	if j.Action != wire.ActionMachineStart {
		return j.Args, nil
	}
	var spec wire.MachineSpec
	if err := json.Unmarshal(j.Args, &spec); err != nil {
		return nil, err
	}
	m, err := tx.Machine(spec.ID)
	if err != nil {
		return nil, err
	}
	if spec.Seed.UserData = m.UserData; m.UserData == "" {
		spec.Seed.UserData = "#cloud-config\n{}\n"
	}
	return json.Marshal(spec)
}

func stopMachine(s *op.Scope) error {
	m, _, err := machineOf(s)
	if err != nil {
		return err
	}
	var opt StopOptions
	if err := s.Input(&opt); err != nil {
		return err
	}
	s.Progress(20, "asking the guest to power off")
	if _, err := s.Job(func() (cloud.Job, error) {
		stop := wire.MachineStop{MachineRef: wire.MachineRef{ID: m.ID, Epoch: m.PlacementEpoch}, GraceMS: stopGrace.Milliseconds()}
		if opt.Force {
			stop.GraceMS = 0
		}
		return jobOf(m.NodeID, wire.ActionMachineStop, cloud.QueueHypervisor, stop)
	}); err != nil {
		return err
	}
	return observed(s, m, cloud.PowerOff)
}

func rebootMachine(s *op.Scope) error {
	m, _, err := machineOf(s)
	if err != nil {
		return err
	}
	_, err = s.Job(func() (cloud.Job, error) {
		j, err := jobOf(m.NodeID, wire.ActionMachineReboot, cloud.QueueHypervisor, wire.MachineRef{ID: m.ID, Epoch: m.PlacementEpoch})
		j.Idempotent, j.MaxAttempts = false, 1 // each call restarts
		return j, err
	})
	return err
}

// removeMachine stops the machine hard and removes what its start made.
func removeMachine(s *op.Scope) error {
	m, _, err := machineOf(s)
	if err != nil {
		return err
	}
	epoch := m.PlacementEpoch
	if s.Op.State == cloud.OperationUndoing {
		epoch++ // what a late start job may still make has an older epoch than its removal
	}
	err = s.UndoJob("machine", func() (cloud.Job, error) {
		return jobOf(m.NodeID, wire.ActionMachineDelete, cloud.QueueHypervisor, wire.MachineRef{ID: m.ID, Epoch: epoch})
	}, cloud.Leftover{NodeID: m.NodeID, Kind: cloud.LeftoverMachine, ObjectID: string(m.ID), Epoch: epoch})
	if err != nil {
		return err
	}
	if epoch != m.PlacementEpoch {
		m.PlacementEpoch = epoch
		if err := s.Tx.UpdateMachine(m); err != nil {
			return err
		}
	}
	return observed(s, m, cloud.PowerOff)
}

func growDisk(s *op.Scope) error {
	m, d, err := machineOf(s)
	if err != nil {
		return err
	}
	var z resize
	if err := s.Input(&z); err != nil {
		return err
	}
	if z.DiskGiB == d.SizeGiB {
		return nil
	}
	_, err = s.Job(func() (cloud.Job, error) {
		return jobOf(m.NodeID, wire.ActionVolumeEnsure, cloud.QueueIO, wire.VolumeArgs{ID: d.ID, SizeGiB: z.DiskGiB})
	})
	return err
}

// waitBefore waits until the operation that this one replaces has undone itself.
func waitBefore(s *op.Scope) error {
	var in deletion
	if err := s.Input(&in); err != nil || in.After == "" {
		return err
	}
	before, err := s.Tx.Operation(in.After)
	if err != nil {
		return err
	}
	if !before.State.Live() {
		return nil
	}
	now, err := s.Tx.Now()
	if err != nil {
		return err
	}
	s.Progress(1, "waiting for %s to undo itself", before.Kind)
	s.Op.WakeAt = now.Add(time.Second)
	return op.ErrWait
}

// observed records a power that a job of ours brought about, and moves the
// ledger of running resources with it.
func observed(s *op.Scope, m *cloud.Machine, p cloud.Power) error {
	now, err := s.Tx.Now()
	if err != nil {
		return err
	}
	if err := s.Tx.ObserveMachine(m.ID, p, now); err != nil {
		return err
	}
	return countRunning(s.Tx, m, p == cloud.PowerOn, s.Op.ID)
}

// countRunning makes the ledger say whether the machine runs: it posts the
// difference between what is and what its entries say.
func countRunning(tx *store.Tx, m *cloud.Machine, running bool, o cloud.OperationID) error {
	diff, err := runningDiff(tx, m, running)
	if err != nil {
		return err
	}
	reason := "stop"
	if running {
		reason = "start"
	}
	return post(facts{tx}, machinePosting(m, o, reason), diff)
}

// runningDiff is what the ledger lacks to say whether the machine runs.
func runningDiff(tx *store.Tx, m *cloud.Machine, running bool) (amounts, error) {
	held, err := held(tx, string(m.ID))
	if err != nil {
		return nil, err
	}
	diff := amounts{}
	if running {
		diff = runningAmounts(m)
	}
	account := cloud.Scope{Kind: cloud.KindAccount, ID: string(m.AccountID)}
	for _, r := range []cloud.Resource{cloud.ResourceRunningVCPUs, cloud.ResourceRunningMemoryMiB} {
		diff[r] -= held[account][r]
	}
	return diff, nil
}

// runningAmounts is what a machine takes while it runs.
func runningAmounts(m *cloud.Machine) amounts {
	return amounts{cloud.ResourceRunningVCPUs: m.VCPUs, cloud.ResourceRunningMemoryMiB: m.MemoryMiB}
}

// held sums a subject's entries: what it holds of each scope.
func held(tx *store.Tx, subject string) (map[cloud.Scope]amounts, error) {
	entries, err := tx.Entries(subject)
	if err != nil {
		return nil, err
	}
	sum := map[cloud.Scope]amounts{}
	for _, e := range entries {
		if sum[e.Scope] == nil {
			sum[e.Scope] = amounts{}
		}
		sum[e.Scope][e.Resource] += e.Delta
	}
	return sum, nil
}

// releaseAll gives back whatever the subject holds; twice is once.
func releaseAll(tx *store.Tx, kind cloud.Kind, id string, o cloud.OperationID, reason string) error {
	sums, err := held(tx, id)
	if err != nil {
		return err
	}
	scopes := slices.SortedFunc(maps.Keys(sums), func(a, b cloud.Scope) int { // as post goes: account, cloudspace, node
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range cloud.Resources {
		for _, scope := range scopes {
			if sums[scope][r] == 0 {
				continue
			}
			e := cloud.Entry{Scope: scope, Resource: r, Delta: -sums[scope][r], SubjectKind: kind, SubjectID: id, OperationID: o, Reason: reason}
			if err := tx.Post(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// mine reports whether the machine still is this operation's to settle, not that
// of one that replaced it.
func mine(s *op.Scope, m *cloud.Machine) bool { return m.OperationID == s.Op.ID }

func (c *Control) created(s *op.Scope, cause *cloud.Error) error {
	m, d, err := machineOf(s)
	if err != nil || !mine(s, m) {
		return err
	}
	if cause == nil {
		m.State, m.Reason, d.State = cloud.MachineRunning, "", cloud.DiskReady
	} else {
		m.State, m.Reason = cloud.MachineFailed, cause.Message
		m.DesiredPower = cloud.PowerOff
		d.State, d.Reason = cloud.DiskFailed, cause.Message
		if err := releaseAll(s.Tx, cloud.KindMachine, string(m.ID), s.Op.ID, "create failed"); err != nil {
			return err
		}
	}
	m.OperationID, d.OperationID = "", ""
	if err := s.Tx.UpdateDisk(d); err != nil {
		return err
	}
	if err := s.Tx.UpdateMachine(m); err != nil {
		return err
	}
	return stateEvent(s.Tx, "machine."+string(m.State), machineSubject(m), m.Reason)
}

// retryCreate places the machine anew and takes its quota again.
func (c *Control) retryCreate(s *op.Scope) error {
	m, d, err := machineOf(s)
	if err != nil {
		return err
	}
	if err := cloud.MachineTransitions.Check(cloud.KindMachine, m.Name, m.State, cloud.MachineCreating); err != nil {
		return err
	}
	if err := s.Tx.LockCloudspace(m.CloudspaceID); err != nil {
		return err
	}
	cs, err := s.Tx.Cloudspace(m.CloudspaceID)
	if err != nil {
		return err
	}
	has, err := held(s.Tx, string(m.ID))
	if err != nil {
		return err
	}
	for _, what := range has {
		for _, n := range what {
			if n != 0 {
				return cloud.StateErrorf(string(m.State), "machine %s failed to be deleted, not to be created; delete it again", m.Name)
			}
		}
	}
	ch := &change{Tx: s.Tx, c: c, r: System("retry"), plan: &cloud.Plan{}}
	if err := ch.placeMachine(cs, m, s.Op); err != nil {
		return err
	}
	m.State, m.Reason, m.OperationID, m.DesiredPower = cloud.MachineCreating, "", s.Op.ID, cloud.PowerOn
	d.State, d.Reason, d.OperationID, d.NodeID = cloud.DiskCreating, "", s.Op.ID, m.NodeID
	if err := s.Tx.UpdateDisk(d); err != nil {
		return err
	}
	return s.Tx.UpdateMachine(m)
}

// settlePower ends start, stop and reboot: done is the state after success;
// after a failure the observed power decides, or failed where it is not known.
func settlePower(done, failed cloud.MachineState) func(*op.Scope, *cloud.Error) error {
	return func(s *op.Scope, cause *cloud.Error) error {
		m, err := s.Tx.Machine(cloud.MachineID(s.Op.SubjectID))
		if err != nil || !mine(s, m) {
			return err
		}
		m.State, m.Reason, m.OperationID = done, "", ""
		if cause != nil {
			m.Reason = fmt.Sprintf("%s failed: %s", strings.TrimPrefix(s.Op.Kind, "machine."), cause.Message)
			m.State = failed
			switch m.ObservedPower {
			case cloud.PowerOn:
				m.State = cloud.MachineRunning
			case cloud.PowerOff, cloud.PowerCrashed:
				m.State = cloud.MachineStopped
			}
			m.DesiredPower = cloud.PowerOff
			if m.State == cloud.MachineRunning {
				m.DesiredPower = cloud.PowerOn
			}
			if err := countRunning(s.Tx, m, m.State == cloud.MachineRunning, s.Op.ID); err != nil {
				return err
			}
		}
		if err := s.Tx.UpdateMachine(m); err != nil {
			return err
		}
		return stateEvent(s.Tx, "machine."+string(m.State), machineSubject(m), m.Reason)
	}
}

func settleResize(s *op.Scope, cause *cloud.Error) error {
	m, d, err := machineOf(s)
	if err != nil || !mine(s, m) {
		return err
	}
	var z resize
	if err := json.Unmarshal(s.Op.Input, &z); err != nil {
		return err
	}
	p := machinePosting(m, s.Op.ID, "resize")
	m.State, m.OperationID, m.Reason = cloud.MachineStopped, "", ""
	if cause != nil {
		m.Reason = "resize failed: " + cause.Message
		if err := post(s.Tx, p, z.grow(m).negative()); err != nil {
			return err
		}
		return s.Tx.UpdateMachine(m)
	}
	if err := post(s.Tx, p, z.shrink(m)); err != nil {
		return err
	}
	m.SizeID, m.VCPUs, m.MemoryMiB, m.DiskGiB, d.SizeGiB = z.SizeID, z.VCPUs, z.MemoryMiB, z.DiskGiB, z.DiskGiB
	if err := s.Tx.UpdateDisk(d); err != nil {
		return err
	}
	return s.Tx.UpdateMachine(m)
}

func (c *Control) deleted(s *op.Scope, cause *cloud.Error) error {
	m, d, err := machineOf(s)
	if err != nil || !mine(s, m) {
		return err
	}
	forwards, err := s.Tx.PortForwardsOf(m.ID)
	if err != nil {
		return err
	}
	m.OperationID, d.OperationID = "", ""
	m.State, d.State = cloud.MachineDeleted, cloud.DiskDeleted
	forward := cloud.PortForwardDeleted
	var gone cloud.Time
	if cause != nil {
		m.State, m.Reason, d.State, forward = cloud.MachineFailed, "delete failed: "+cause.Message, cloud.DiskFailed, cloud.PortForwardFailed
		if err := countRunning(s.Tx, m, m.ObservedPower == cloud.PowerOn, s.Op.ID); err != nil {
			return err
		}
	} else if gone, err = s.Tx.Now(); err != nil {
		return err
	}
	for i := range forwards {
		forwards[i].State, forwards[i].OperationID, forwards[i].DeletedAt = forward, "", gone
		if err := s.Tx.UpdatePortForward(&forwards[i]); err != nil {
			return err
		}
		if err := releaseAll(s.Tx, cloud.KindPortForward, string(forwards[i].ID), s.Op.ID, string(forward)); err != nil {
			return err // also of a failed one, which the network does not have
		}
	}
	m.DeletedAt, d.DeletedAt = gone, gone
	if cause == nil {
		if err := releaseAll(s.Tx, cloud.KindMachine, string(m.ID), s.Op.ID, "delete"); err != nil {
			return err
		}
		if err := s.Tx.DeleteMembershipsUnder("", m.ID); err != nil {
			return err
		}
	}
	if err := s.Tx.UpdateDisk(d); err != nil {
		return err
	}
	if err := s.Tx.UpdateMachine(m); err != nil {
		return err
	}
	return stateEvent(s.Tx, "machine."+string(m.State), machineSubject(m), m.Reason)
}
