package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// The rhythm of clearing leftovers.
const (
	leftoverAgain = 5 * time.Minute // after a failure
	leftoverTries = 3               // of one job
)

func leftoverTarget(l *cloud.Leftover) target {
	return target{kind: cloud.KindLeftover, name: string(l.ID), account: l.AccountID}
}

func leftoverSubject(l *cloud.Leftover) subject {
	return subject{kind: cloud.KindLeftover, id: string(l.ID), name: string(l.Kind) + " " + l.ObjectID, account: l.AccountID}
}

// Leftovers returns a page of what nodes still hold. It is for operators and support.
func (c *Control) Leftovers(ctx context.Context, r *Request, q store.Query) (list []cloud.Leftover, next string, err error) {
	if err := r.mayList(cloud.KindLeftover); err != nil {
		return nil, "", err
	}
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Leftovers(q)
		return err
	})
	return list, next, err
}

// Leftover returns the leftover.
func (c *Control) Leftover(ctx context.Context, r *Request, id cloud.LeftoverID) (*cloud.Leftover, error) {
	if err := r.allow(authz.Read, target{kind: cloud.KindLeftover, name: string(id)}); err != nil {
		return nil, err
	}
	var l *cloud.Leftover
	err := c.view(ctx, func(tx *store.Tx) (err error) { l, err = tx.Leftover(id); return err })
	return l, err
}

// DeleteLeftover forgets a leftover without its node: for nodes that never come
// back. What the node holds stays there.
func (c *Control) DeleteLeftover(ctx context.Context, r *Request, id cloud.LeftoverID) error {
	return c.change(ctx, r, "leftover.delete", func(ch *change) error {
		l, err := ch.Leftover(id)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Delete, leftoverTarget(l)); err != nil {
			return err
		}
		if l.JobID != "" {
			err := c.jobs.Cancel(ch.Tx, l.JobID, "its leftover was forgotten")
			if err != nil && !cloud.Is(err, cloud.Conflict) && !cloud.Is(err, cloud.NotFound) {
				return err
			}
		}
		if l.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateLeftover(l); err != nil {
			return err
		}
		return ch.event("leftover.delete", leftoverSubject(l), l, nil)
	})
}

// clearLeftovers has nodes that are back remove what they still hold until ctx
// ends; one controller does, by lease.
func (c *Control) clearLeftovers(ctx context.Context) error {
	tick := time.NewTicker(c.Lease / 3)
	defer tick.Stop()
	for {
		if err := c.clearOnce(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error("clear leftovers", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.cleared: // or a node is back
		case <-tick.C:
		}
	}
}

// clearOnce looks at each leftover once, in a transaction of its own.
func (c *Control) clearOnce(ctx context.Context) error {
	var list []cloud.Leftover
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		list, err = allOf(tx.Leftovers, store.Query{Visible: store.Everything})
		return err
	})
	if err != nil || len(list) == 0 {
		return err
	}
	// A machine goes before the volumes and networks that it may still use.
	busy := map[cloud.NodeID]bool{}
	for _, l := range list {
		busy[l.NodeID] = busy[l.NodeID] || l.Kind == cloud.LeftoverMachine
	}
	for _, l := range list {
		if busy[l.NodeID] && l.Kind != cloud.LeftoverMachine {
			continue
		}
		err := c.DB.Update(ctx, func(tx *store.Tx) error {
			if _, mine, err := tx.TakeLease("leftovers", c.ID, c.Lease); err != nil || !mine {
				return err
			}
			return c.clear(tx, l.ID)
		})
		if err != nil && !cloud.Is(err, cloud.NotFound) && !cloud.Is(err, cloud.Conflict) {
			return fmt.Errorf("leftover %s: %w", l.ID, err)
		}
	}
	return nil
}

// clear takes one leftover on: it starts the job, waits for it, or ends the row.
func (c *Control) clear(tx *store.Tx, id cloud.LeftoverID) error {
	l, err := tx.Leftover(id)
	if err != nil {
		return err
	}
	node, err := tx.Node(l.NodeID)
	if cloud.Is(err, cloud.NotFound) {
		return endLeftover(tx, l, "its node was deleted")
	}
	if err != nil {
		return err
	}
	if l.JobID != "" {
		wait, err := c.leftoverJob(tx, l)
		if err != nil || wait {
			return err
		}
	}
	used, err := usedAgain(tx, l)
	if err != nil {
		return err
	}
	if used {
		return endLeftover(tx, l, "the node has it rightly again")
	}
	if node.State != cloud.NodeOnline {
		return nil
	}
	j, err := leftoverWork(tx, l)
	if err != nil {
		return err
	}
	if err := c.jobs.Add(tx, j); err != nil {
		return err
	}
	l.JobID = j.ID
	return tx.UpdateLeftover(l)
}

// leftoverJob looks at the job that was started; wait says that there is nothing
// to start now.
func (c *Control) leftoverJob(tx *store.Tx, l *cloud.Leftover) (wait bool, err error) {
	j, err := tx.Job(l.JobID)
	if cloud.Is(err, cloud.NotFound) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	now, err := tx.Now()
	switch {
	case err != nil || !j.State.Final():
		return true, err
	case j.State == cloud.JobSucceeded:
		tx.OnCommit(func() { signal(c.cleared) }) // volumes may wait for their machine
		return true, endLeftover(tx, l, "removed from its node")
	}
	return now.Sub(j.FinishedAt) < leftoverAgain, nil
}

func endLeftover(tx *store.Tx, l *cloud.Leftover, why string) (err error) {
	if l.DeletedAt, err = tx.Now(); err != nil {
		return err
	}
	if err := tx.UpdateLeftover(l); err != nil {
		return err
	}
	return stateEvent(tx, "leftover.cleared", leftoverSubject(l), why)
}

// usedAgain reports whether the object lives on the node now, so that removing
// it would be wrong: it came back there after the leftover was written.
func usedAgain(tx *store.Tx, l *cloud.Leftover) (bool, error) {
	var err error
	var used bool
	switch l.Kind {
	case cloud.LeftoverMachine:
		var m *cloud.Machine
		if m, err = tx.Machine(cloud.MachineID(l.ObjectID)); err == nil {
			used = m.NodeID == l.NodeID && m.PlacementEpoch > l.Epoch && m.State != cloud.MachineFailed && m.State != cloud.MachineDeleting
		}
	case cloud.LeftoverVolume:
		var d *cloud.Disk
		if d, err = tx.Disk(cloud.DiskID(l.ObjectID)); err == nil {
			used = d.NodeID == l.NodeID && slices.Contains([]cloud.DiskState{cloud.DiskCreating, cloud.DiskReady, cloud.DiskResizing}, d.State)
		}
	case cloud.LeftoverNetwork:
		var s *cloud.Cloudspace
		if s, err = tx.Cloudspace(cloud.CloudspaceID(l.ObjectID)); err == nil {
			used = s.NodeID == l.NodeID && !s.State.Transitional()
		}
	}
	if cloud.Is(err, cloud.NotFound) {
		return false, nil
	}
	return used, err
}

// leftoverWork is the job that removes the leftover.
func leftoverWork(tx *store.Tx, l *cloud.Leftover) (*cloud.Job, error) {
	j := &cloud.Job{
		ID: cloud.NewID[cloud.JobID](), AccountID: l.AccountID, TargetNode: l.NodeID, Queue: cloud.QueueHypervisor,
		Key: "leftover:" + string(l.ID), MaxAttempts: leftoverTries, Idempotent: true, Retention: cloud.KeepFailures,
		SubjectKind: cloud.KindLeftover, SubjectID: string(l.ID), CreatedBy: "leftover " + string(l.ID),
	}
	var args any
	switch l.Kind {
	case cloud.LeftoverMachine:
		ref := wire.MachineRef{ID: cloud.MachineID(l.ObjectID), Epoch: l.Epoch}
		m, err := tx.MachineEvenDeleted(ref.ID)
		if err == nil && m.NodeID == l.NodeID {
			ref.Epoch = max(ref.Epoch, m.PlacementEpoch) // a deletion since then made what the node knows newer
		} else if err != nil && !cloud.Is(err, cloud.NotFound) {
			return nil, err
		}
		j.Action, args = wire.ActionMachineDelete, ref
	case cloud.LeftoverVolume:
		j.Action, args = wire.ActionVolumeDelete, wire.VolumeRef{ID: cloud.DiskID(l.ObjectID)}
	case cloud.LeftoverNetwork:
		s, err := tx.CloudspaceEvenDeleted(cloud.CloudspaceID(l.ObjectID))
		if err != nil {
			return nil, err
		}
		j.Action, args, j.Key = wire.ActionNetworkDelete, wire.NetworkRef{ID: s.ID, Number: s.NetworkNum}, networkKey(s.ID)
	default:
		return nil, cloud.Errorf(cloud.Internal, "leftover %s has the unknown kind %q", l.ID, l.Kind)
	}
	var err error
	j.Args, err = json.Marshal(args)
	return j, err
}

// reclaim takes an object back that was to be removed from the node and is needed
// there again; it waits for a job that is removing it.
func reclaim(s *op.Scope, node cloud.NodeID, kind cloud.LeftoverKind, object string) error {
	l, err := s.Tx.LeftoverOf(node, kind, object)
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if l.JobID != "" {
		ended, err := s.CancelJob(l.JobID, "what it removes is needed again")
		if err != nil {
			return err
		}
		if !ended {
			return lookSoon(s)
		}
	}
	return endLeftover(s.Tx, l, "the node has it rightly again")
}
