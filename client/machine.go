package client

import (
	"context"
	"io"

	"atoll/api"
)

// Machines are the calls about machines.
type Machines struct {
	Kind[api.Machine, api.MachineCreate, api.MachineUpdate]
}

// Machines returns the calls about machines.
func (c *Client) Machines() Machines {
	return Machines{kindOf[api.Machine, api.MachineCreate, api.MachineUpdate](c, "machines")}
}

// Start switches a stopped machine on.
func (m Machines) Start(ctx context.Context, ref string, opts ...Option) (*Result[api.Machine], error) {
	return m.do(ctx, ref, "start", nil, opts)
}

// Stop asks the guest to power off, or switches it off at once.
func (m Machines) Stop(ctx context.Context, ref string, in api.MachineStop, opts ...Option) (*Result[api.Machine], error) {
	return m.do(ctx, ref, "stop", in, opts)
}

// Reboot restarts a running machine.
func (m Machines) Reboot(ctx context.Context, ref string, opts ...Option) (*Result[api.Machine], error) {
	return m.do(ctx, ref, "reboot", nil, opts)
}

// Console opens the machine's serial console. Close it to detach.
func (m Machines) Console(ctx context.Context, ref string, opts ...Option) (io.ReadWriteCloser, error) {
	return m.Reader.c.stream(ctx, joinPath(m.Reader.path, ref, "console"), opts)
}
