package control

import (
	"errors"

	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
	"atoll/internal/wire"
)

func machineNetwork(s *op.Scope) error {
	s.Progress(50, "making the network")
	return ensureNetwork(s, s.Op.CloudspaceID)
}

// machineNetworkGone takes the machine out of the network; the last machine of a
// cloudspace takes the network with it.
func machineNetworkGone(s *op.Scope) error {
	cs, alive, err := leaveNetwork(s)
	if err != nil || cs.NodeID == "" {
		return err
	}
	if !alive {
		return removeNetwork(s, cs)
	}
	return passOver(changeNetwork(s, cs))
}

// freeGateway gives back the gateway that the placement of the machine took, if
// no other machine needs it.
func freeGateway(s *op.Scope) error {
	cs, alive, err := leaveNetwork(s)
	if err != nil || alive {
		return err
	}
	return removeNetwork(s, cs)
}

// leaveNetwork has specifications not name the operation's machine any more and
// reports whether another machine needs the network. It locks the cloudspace, so
// that no machine is placed in it meanwhile, and of several that leave at once
// each sees those that left before it.
func leaveNetwork(s *op.Scope) (cs *cloud.Cloudspace, alive bool, err error) {
	m, _, err := machineOf(s)
	if err != nil {
		return nil, false, err
	}
	if err := s.Tx.LockCloudspace(m.CloudspaceID); err != nil {
		return nil, false, err
	}
	if m.State != cloud.MachineDeleting && m.State != cloud.MachineFailed { // undo of a create
		m.State, m.Reason = cloud.MachineFailed, s.Op.Error
		if err := s.Tx.UpdateMachine(m); err != nil {
			return nil, false, err
		}
	}
	if cs, err = s.Tx.Cloudspace(m.CloudspaceID); err != nil {
		return nil, false, err
	}
	all, err := s.Tx.MachinesIn(cs.ID)
	if err != nil {
		return nil, false, err
	}
	for i := range all {
		if all[i].ID == m.ID || alive {
			continue
		}
		if alive, err = needsNetwork(s.Tx, &all[i]); err != nil {
			return nil, false, err
		}
	}
	return cs, alive, nil
}

// needsNetwork reports whether the machine has not left its network, which is the
// last step of its deletion.
func needsNetwork(tx *store.Tx, m *cloud.Machine) (bool, error) {
	if m.State != cloud.MachineDeleting {
		return m.State != cloud.MachineFailed, nil
	}
	o, err := tx.Operation(m.OperationID)
	if cloud.Is(err, cloud.NotFound) {
		return false, nil
	}
	return err == nil && o.State == cloud.OperationRunning && o.Step < o.Steps, err
}

// passOver drops the errors that must not stop an undo or a deletion: all but the
// wait for jobs and those of the store.
func passOver(err error) error {
	if errors.Is(err, op.ErrWait) || store.Broken(err) {
		return err
	}
	return nil
}

// ensureNetwork has the cloudspace's node make the network as the rows say now.
// Specifications of one cloudspace go one after the other.
func ensureNetwork(s *op.Scope, id cloud.CloudspaceID) error {
	cs, err := s.Tx.Cloudspace(id)
	if err != nil {
		return err
	}
	if err := reclaim(s, cs.NodeID, cloud.LeftoverNetwork, string(id)); err != nil {
		return err
	}
	_, err = s.Job(func() (cloud.Job, error) {
		spec, node, err := nextNetworkSpec(s.Tx, id)
		if err != nil {
			return cloud.Job{}, err
		}
		j, err := jobOf(node, wire.ActionNetworkEnsure, cloud.QueueHypervisor, spec)
		j.Key = networkKey(id)
		return j, err
	})
	return unlessStale(err)
}

// unlessStale drops the refusal of a stale generation: a newer specification,
// which has our rows too, was faster.
func unlessStale(err error) error {
	var e *cloud.Error
	if errors.As(err, &e) && e.Kind == cloud.Conflict && e.Field == "" && e.State == "" && !store.Broken(err) {
		return nil
	}
	return err
}

// networkKey is the key of the jobs on the cloudspace's network.
func networkKey(id cloud.CloudspaceID) string { return "network:" + string(id) }

// changeNetwork is ensureNetwork for what nothing may hold up: a node that is
// away does it when it is back.
func changeNetwork(s *op.Scope, cs *cloud.Cloudspace) error {
	return unlessStale(s.LateJob("network", cs.NodeID, func() (cloud.Job, error) {
		spec, node, err := nextNetworkSpec(s.Tx, cs.ID)
		if err != nil {
			return cloud.Job{}, err
		}
		j, err := jobOf(node, wire.ActionNetworkEnsure, cloud.QueueHypervisor, spec)
		j.Key = networkKey(cs.ID)
		return j, err
	}))
}

// nextNetworkSpec is the whole network as the rows say, under the next generation.
func nextNetworkSpec(tx *store.Tx, id cloud.CloudspaceID) (*wire.NetworkSpec, cloud.NodeID, error) {
	if err := tx.LockCloudspace(id); err != nil {
		return nil, "", err
	}
	cs, err := tx.Cloudspace(id)
	if err != nil {
		return nil, "", err
	}
	if cs.NodeID == "" {
		return nil, "", cloud.StateErrorf(string(cs.State), "cloudspace %s has no gateway", cs.Name)
	}
	machines, err := tx.MachinesIn(id)
	if err != nil {
		return nil, "", err
	}
	spec := &wire.NetworkSpec{ID: cs.ID, Number: cs.NetworkNum, CIDR: cs.Network, Domain: cs.Name + ".internal"}
	addresses := map[cloud.MachineID]string{}
	for i := range machines {
		m := &machines[i]
		if m.State == cloud.MachineFailed || m.State == cloud.MachineDeleting {
			continue
		}
		addresses[m.ID] = m.Address
		spec.Leases = append(spec.Leases, wire.Lease{MAC: m.MAC, Address: m.Address, Hostname: m.Name})
	}
	if len(spec.Leases) == 0 { // it is being removed, and must not be made again
		return nil, "", cloud.StateErrorf(string(cs.State), "cloudspace %s has no machine left", cs.Name)
	}
	cs.NetworkGeneration++
	if err := tx.UpdateCloudspace(cs); err != nil {
		return nil, "", err
	}
	spec.Generation = cs.NetworkGeneration
	forwards, err := tx.PortForwardsIn(id)
	if err != nil {
		return nil, "", err
	}
	for i := range forwards {
		f := &forwards[i]
		if address := addresses[f.MachineID]; address != "" && (f.State == cloud.PortForwardCreating || f.State == cloud.PortForwardActive) {
			spec.Forwards = append(spec.Forwards, wire.Forward{Protocol: f.Protocol, PublicPort: f.PublicPort, Address: address, Port: f.Port})
		}
	}
	return spec, cs.NodeID, nil
}

// dropSpecifications cancels what would make the network again after its removal,
// where the node was away for a while. What the node holds is canceled too: it
// runs before the removal or, if the node's agent lost it, not at all.
func dropSpecifications(s *op.Scope, id cloud.CloudspaceID) error {
	unfinished, err := s.Tx.UnfinishedWithKey(networkKey(id))
	if err != nil {
		return err
	}
	for i := range unfinished {
		if unfinished[i].Action != wire.ActionNetworkEnsure {
			continue
		}
		if _, err := s.CancelJob(unfinished[i].ID, "the network is removed"); err != nil {
			return err
		}
	}
	return nil
}

// removeNetwork has the node remove the cloudspace's network; what it does not
// remove becomes a leftover. The caller has locked the cloudspace and found that
// no machine needs the network, each time.
func removeNetwork(s *op.Scope, cs *cloud.Cloudspace) error {
	if cs.NodeID == "" {
		return nil
	}
	err := s.UndoJob("remove network", func() (cloud.Job, error) {
		j, err := jobOf(cs.NodeID, wire.ActionNetworkDelete, cloud.QueueHypervisor, wire.NetworkRef{ID: cs.ID, Number: cs.NetworkNum})
		j.Key = networkKey(cs.ID)
		return j, errors.Join(err, dropSpecifications(s, cs.ID))
	}, cloud.Leftover{NodeID: cs.NodeID, Kind: cloud.LeftoverNetwork, ObjectID: string(cs.ID)})
	if err != nil {
		return err
	}
	cs.NodeID = ""
	return s.Tx.UpdateCloudspace(cs)
}
