package control

import (
	"context"
	"encoding/json"
	"io"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// OpenConsole opens a machine's serial console ("console") or screen ("screen",
// RFB) through its node's agent. The caller closes it.
func (c *Control) OpenConsole(ctx context.Context, r *Request, ref MachineRef, kind string) (io.ReadWriteCloser, error) {
	if kind != wire.StreamConsole && kind != wire.StreamScreen {
		return nil, cloud.FieldErrorf("kind", "must be %s or %s", wire.StreamConsole, wire.StreamScreen)
	}
	var m *cloud.Machine
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if m, err = findMachine(tx, ref); err != nil {
			return err
		}
		return r.permit(authz.Execute, machineTarget(m), ref.String())
	})
	if err != nil {
		return nil, err
	}
	if m.State != cloud.MachineRunning && m.State != cloud.MachineRebooting && m.State != cloud.MachineStopping {
		return nil, cloud.StateErrorf(string(m.State), "machine %s is %s; it has a console only while it runs", m.Name, m.State)
	}
	args, err := json.Marshal(wire.MachineRef{ID: m.ID, Epoch: m.PlacementEpoch})
	if err != nil {
		return nil, err
	}
	conn, err := c.openStream(ctx, m.NodeID, kind, args)
	if cloud.Is(err, cloud.Timeout) {
		err = cloud.Wrap(cloud.Timeout, err, "the node of machine %s did not open its %s in time; try again", m.Name, kind)
	}
	return conn, err
}
