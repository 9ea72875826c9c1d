package control

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

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

// Relay reaches agents that other controllers hold; at is where such a
// controller is reached.
type Relay interface {
	// OpenStream opens a stream at the node. Unavailable says that the controller
	// does not hold its agent, or does not answer.
	OpenStream(ctx context.Context, at string, node cloud.NodeID, kind string, args json.RawMessage) (io.ReadWriteCloser, error)
	// FollowLog calls heard for each chunk of the job's output that the controller
	// stores, until ctx ends or the controller goes.
	FollowLog(ctx context.Context, at string, job cloud.JobID, heard func()) error
}

// UseRelay sets the relay, before Run.
func (c *Control) UseRelay(r Relay) { c.relay = r }

const (
	// streamWait is how long an agent has to open a stream.
	streamWait = 15 * time.Second
	// holderWait is how long an agent that changes controllers is waited for.
	holderWait = 6 * time.Second
	holderLook = 200 * time.Millisecond
)

// openStream opens a stream at the node's agent, whichever controller holds it.
func (c *Control) openStream(ctx context.Context, node cloud.NodeID, kind string, args json.RawMessage) (io.ReadWriteCloser, error) {
	for end := time.Now().Add(holderWait); ; {
		conn, err := c.tryStream(ctx, node, kind, args)
		if !cloud.Is(err, cloud.Unavailable) || !c.DB.Shared() || time.Now().After(end) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(holderLook):
		}
	}
}

func (c *Control) tryStream(ctx context.Context, node cloud.NodeID, kind string, args json.RawMessage) (io.ReadWriteCloser, error) {
	at, err := c.holderElsewhere(ctx, node)
	switch {
	case err != nil:
		return nil, err
	case at == "":
		return c.OpenStreamHere(ctx, node, kind, args)
	}
	return c.relay.OpenStream(ctx, at, node, kind, args)
}

// holderElsewhere returns where the controller is reached that holds the node's
// agent, "" for this one. Unavailable if none does.
func (c *Control) holderElsewhere(ctx context.Context, node cloud.NodeID) (at string, err error) {
	var id cloud.ControllerID
	var state cloud.NodeState
	err = c.view(ctx, func(tx *store.Tx) error {
		n, err := tx.Node(node)
		if err != nil {
			return err
		}
		state = n.State
		id, at, err = tx.HolderOf(node)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case id == c.ID:
		return "", nil
	case at == "":
		return "", cloud.Errorf(cloud.Unavailable, "no controller holds the agent of node %s, which is %s; try again when it is online", node, state)
	}
	return at, nil
}

// OpenStreamHere opens a stream at the node's agent, which this controller holds.
// The caller has checked who asks, and closes it. Unavailable if the agent is not
// here, Timeout if it did not open the stream.
func (c *Control) OpenStreamHere(ctx context.Context, node cloud.NodeID, kind string, args json.RawMessage) (io.ReadWriteCloser, error) {
	id := cloud.NewID[string]()
	e := c.streams.expect(id, node)
	if err := c.jobs.OpenStream(node, wire.StreamOpen{ID: id, Kind: kind, Args: args}); err != nil {
		c.streams.take(id, node)
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	select {
	case conn := <-e.conn:
		return conn, nil
	case <-wait.Done():
		c.streams.forget(id, e)
		return nil, cloud.Errorf(cloud.Timeout, "the agent of node %s did not open a stream in time", node)
	}
}

// FollowLog returns a channel that gets a value when this controller stored output
// of the job, and the function that ends it.
func (c *Control) FollowLog(job cloud.JobID) (<-chan struct{}, func()) { return c.feed.followLogs(job) }

// followElsewhere tells this controller's readers of a job's output what the
// controller that holds the job's agent stores, until ctx ends.
func (c *Control) followElsewhere(ctx context.Context, id cloud.JobID) {
	for ctx.Err() == nil {
		var node cloud.NodeID
		err := c.view(ctx, func(tx *store.Tx) error {
			j, err := tx.Job(id)
			if err == nil {
				node = j.NodeID
			}
			return err
		})
		at := ""
		if err == nil && node != "" {
			at, err = c.holderElsewhere(ctx, node)
		}
		if err == nil && at != "" {
			err = c.relay.FollowLog(ctx, at, id, func() { c.feed.log(wire.LogChunk{JobRef: wire.JobRef{ID: id}}) })
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Debug("follow a job's output at another controller", "job", id, "err", err)
		}
		pause := time.NewTimer(feedLook)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}
