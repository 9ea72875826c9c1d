package control

import (
	"context"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// observe compares a node's inventory with what should be there and answers
// each difference: by the run strategy, by a stop, or by a leftover.
func (c *Control) observe(ctx context.Context, node cloud.NodeID, inv *wire.Inventory) error {
	var early bool
	err := c.DB.Update(ctx, func(tx *store.Tx) error {
		early = false
		now, err := tx.Now()
		if err != nil {
			return err
		}
		n, err := knownNode(tx, node)
		if err != nil {
			return err
		}
		ours, err := tx.MachinesOn(node)
		if err != nil {
			return err
		}
		seen := make(map[cloud.MachineID]*wire.MachineState, len(inv.Machines))
		for _, ms := range inv.Machines {
			if ms, ok := sane(ms); ok {
				seen[ms.ID] = &ms
			}
		}
		ch := &change{Tx: tx, c: c, r: System("observation"), plan: &cloud.Plan{}}
		for i := range ours {
			m := &ours[i]
			ms := seen[m.ID]
			delete(seen, m.ID)
			if ms == nil {
				ms = &wire.MachineState{ID: m.ID, Epoch: m.PlacementEpoch, Power: cloud.PowerCrashed, Detail: "the node does not know it"}
			}
			if m.State.Transitional() || c.unsettled(m, now) {
				wrong := (ms.Power == cloud.PowerOn) != (m.DesiredPower == cloud.PowerOn) || m.ObservedPower == cloud.PowerUnknown
				early = early || m.State != cloud.MachineCreating && wrong
				continue // its operation knows better
			}
			if err := ch.observeMachine(n, m, ms, now); err != nil {
				return err
			}
		}
		for id, ms := range seen {
			wait, err := c.unknownMachine(tx, n, id, ms, now)
			if err != nil {
				return err
			}
			early = early || wait
		}
		return nil
	})
	if err == nil && early { // an agent says things once
		c.lookAgain(node)
	}
	return err
}

// unsettled reports whether the machine was changed so lately that what its node
// says may be of before. A change that is yet to come was made before the clock
// was set back.
func (c *Control) unsettled(m *cloud.Machine, now cloud.Time) bool {
	age := now.Sub(m.UpdatedAt)
	return 0 <= age && age < c.Pace.Settle
}

// sane is what a node says of a machine in our words; false if it says nothing of
// one. A node that was taken over may say anything.
func sane(ms wire.MachineState) (wire.MachineState, bool) {
	switch ms.Power {
	case cloud.PowerOn, cloud.PowerOff, cloud.PowerCrashed, cloud.PowerUnknown:
	default:
		ms.Power = cloud.PowerUnknown
	}
	ms.Detail = clean(firstRunes(ms.Detail, 200))
	return ms, cloud.IsID(string(ms.ID))
}

// lookAgain asks the node for its inventory when changes have settled.
func (c *Control) lookAgain(id cloud.NodeID) {
	time.AfterFunc(c.Pace.Settle, func() { c.jobs.Resend(id) })
}

// observeMachine answers the observed power of one machine of ours.
func (ch *change) observeMachine(n *cloud.Node, m *cloud.Machine, ms *wire.MachineState, now cloud.Time) error {
	if m.ObservedPower == ms.Power && (m.State == cloud.MachineRunning) == (ms.Power == cloud.PowerOn) {
		return ch.ObserveMachine(m.ID, ms.Power, now)
	}
	if err := ch.ObserveMachine(m.ID, ms.Power, now); err != nil {
		return err
	}
	m.ObservedPower, m.ObservedAt = ms.Power, now
	hostBoot := ms.HostBoot != "" && n.Facts.BootID != "" && ms.HostBoot != n.Facts.BootID
	switch {
	case m.State == cloud.MachineRunning && ms.Power != cloud.PowerOn && ms.Power != cloud.PowerUnknown:
		return ch.foundOff(m, ms, hostBoot)
	case m.State == cloud.MachineStopped && ms.Power == cloud.PowerOn:
		if err := stateEvent(ch.Tx, "machine.found-running", machineSubject(m), "it should be off and is stopped again"); err != nil {
			return err
		}
		m.State = cloud.MachineRunning // what it is; the stop takes it on
		_, err := ch.startPower(m, "machine.stop", cloud.MachineStopping, StopOptions{})
		return err
	case m.State == cloud.MachineFailed && (ms.Power == cloud.PowerOff || ms.Power == cloud.PowerCrashed):
		return countRunning(ch.Tx, m, false, "") // one whose delete failed may have run on
	}
	return nil
}

// foundOff answers a machine that should run and does not.
func (ch *change) foundOff(m *cloud.Machine, ms *wire.MachineState, hostBoot bool) error {
	why := "the guest powered off"
	switch {
	case hostBoot:
		why = "its host was rebooted"
	case ms.Power == cloud.PowerCrashed:
		why = "its process ended"
	}
	if ms.Detail != "" {
		why += " (" + ms.Detail + ")"
	}
	if err := stateEvent(ch.Tx, "machine.found-off", machineSubject(m), why); err != nil {
		return err
	}
	failed := hostBoot || ms.Power == cloud.PowerCrashed
	m.State, m.Reason = cloud.MachineStopped, why
	if m.RunStrategy == cloud.RunAlways || m.RunStrategy == cloud.RunOnError && failed { // and keeps its running quota
		_, err := ch.startPower(m, "machine.start", cloud.MachineStarting, nil)
		return err
	}
	if err := countRunning(ch.Tx, m, false, ""); err != nil {
		return err
	}
	m.DesiredPower = cloud.PowerOff
	return ch.UpdateMachine(m)
}

// unknownMachine records a machine that the node has and should not have; wait
// says that it is too early to tell.
func (c *Control) unknownMachine(tx *store.Tx, n *cloud.Node, id cloud.MachineID, ms *wire.MachineState, now cloud.Time) (wait bool, err error) {
	epoch := ms.Epoch
	m, err := tx.MachineEvenDeleted(id)
	switch {
	case cloud.Is(err, cloud.NotFound):
	case err != nil:
		return false, err
	case c.unsettled(m, now):
		return true, nil
	case m.DeletedAt == 0 && m.NodeID == n.ID: // made after the list of ours was read
		return false, nil
	default:
		epoch = max(epoch, m.PlacementEpoch)
	}
	if _, err := tx.LeftoverOf(n.ID, cloud.LeftoverMachine, string(id)); !cloud.Is(err, cloud.NotFound) {
		return false, err
	}
	tx.OnCommit(func() { signal(c.cleared) })
	return false, tx.CreateLeftover(&cloud.Leftover{
		ID: cloud.NewID[cloud.LeftoverID](), NodeID: n.ID, Kind: cloud.LeftoverMachine, ObjectID: string(id), Epoch: epoch,
		Reason: "the node has it and should not",
	})
}
