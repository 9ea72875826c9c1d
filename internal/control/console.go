package control

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// streams are the streams that agents were asked to open.
type streams struct {
	mu   sync.Mutex
	open map[string]*expected
}

type expected struct {
	node cloud.NodeID
	conn chan io.ReadWriteCloser
}

func (s *streams) expect(id string, node cloud.NodeID) *expected {
	e := &expected{node: node, conn: make(chan io.ReadWriteCloser, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*expected{}
	}
	s.open[id] = e
	return e
}

// take removes the expectation, so that each stream is opened once; nil if none
// is expected of the node.
func (s *streams) take(id string, node cloud.NodeID) *expected {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.open[id]
	if e == nil || e.node != node {
		return nil
	}
	delete(s.open, id)
	return e
}

// forget ends the wait for a stream, and the stream if it came too late.
func (s *streams) forget(id string, e *expected) {
	if s.take(id, e.node) == nil {
		(<-e.conn).Close() //nolint:errcheck // nobody reads it
	}
}

// AcceptStream hands a stream that an agent opened to whoever asked for it.
// NotFound if nobody did, or if it was asked of another node.
func (c *Control) AcceptStream(id string, node cloud.NodeID, conn io.ReadWriteCloser) error {
	e := c.streams.take(id, node)
	if e == nil {
		return cloud.Errorf(cloud.NotFound, "nobody waits for stream %s", id)
	}
	e.conn <- conn
	return nil
}

// streamWait is how long an agent has to open a stream.
const streamWait = 15 * time.Second

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
	id := cloud.NewID[string]()
	e := c.streams.expect(id, m.NodeID)
	if err := c.jobs.OpenStream(m.NodeID, wire.StreamOpen{ID: id, Kind: kind, Args: args}); err != nil {
		c.streams.take(id, m.NodeID)
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	select {
	case conn := <-e.conn:
		return conn, nil
	case <-wait.Done():
		c.streams.forget(id, e)
		return nil, cloud.Errorf(cloud.Timeout, "the node of machine %s did not open its %s in time; try again", m.Name, kind)
	}
}
