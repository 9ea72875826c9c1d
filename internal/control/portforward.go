package control

import (
	"context"
	"errors"
	"maps"
	"slices"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
)

func portForwardTarget(f *cloud.PortForward) target {
	return target{cloud.KindPortForward, string(f.ID), f.AccountID, f.CloudspaceID, f.MachineID, ""}
}

func portForwardSubject(f *cloud.PortForward) subject {
	return subject{cloud.KindPortForward, string(f.ID), string(f.ID), f.AccountID, f.CloudspaceID, ""}
}

// NewPortForward is what a port forward is made from.
type NewPortForward struct {
	Machine    MachineRef
	Protocol   string // "" is tcp
	PublicPort int64
	Port       int64
}

// CreatePortForward leads a public port of the cloudspace's gateway node to a
// port of the machine.
func (c *Control) CreatePortForward(ctx context.Context, r *Request, in NewPortForward) (*cloud.PortForward, *cloud.Operation, error) {
	var f *cloud.PortForward
	var o *cloud.Operation
	err := c.change(ctx, r, "port-forward.create", func(ch *change) error {
		m, err := findMachine(ch.Tx, in.Machine)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Create, target{cloud.KindPortForward, "to " + m.Name, m.AccountID, m.CloudspaceID, m.ID, ""}); err != nil {
			return hideIn(err, r, machineTarget(m), in.Machine.String())
		}
		if _, err := ch.active(m.AccountID); err != nil {
			return err
		}
		if m.State == cloud.MachineDeleting || m.State == cloud.MachineFailed {
			return cloud.StateErrorf(string(m.State), "machine %s is %s", m.Name, m.State)
		}
		s, err := ch.Cloudspace(m.CloudspaceID)
		if err != nil {
			return err
		}
		o = &cloud.Operation{
			ID: cloud.NewID[cloud.OperationID](), Kind: "port-forward.create", AccountID: m.AccountID, CloudspaceID: m.CloudspaceID,
			SubjectKind: cloud.KindPortForward, SubjectName: m.Name,
		}
		f = &cloud.PortForward{
			ID: cloud.NewID[cloud.PortForwardID](), AccountID: m.AccountID, CloudspaceID: m.CloudspaceID, MachineID: m.ID, NodeID: s.NodeID,
			Protocol: in.Protocol, PublicPort: in.PublicPort, Port: in.Port, State: cloud.PortForwardCreating, OperationID: o.ID,
		}
		if f.Protocol == "" {
			f.Protocol = "tcp"
		}
		o.SubjectID = string(f.ID)
		if err := f.Validate(); err != nil {
			return err
		}
		if err := ch.CreatePortForward(f); store.IsTaken(err, "public_port") {
			e := cloud.Errorf(cloud.Conflict, "%s port %d is forwarded already on this gateway; choose another one", f.Protocol, f.PublicPort)
			e.Field = "public_port"
			return e
		} else if err != nil {
			return err
		}
		p := posting{f.AccountID, f.CloudspaceID, "", "", cloud.KindPortForward, string(f.ID), o.ID, "create"}
		if err := ch.post(p, amounts{cloud.ResourcePortForwards: 1}); err != nil {
			return err
		}
		if err := ch.event("port-forward.create", portForwardSubject(f), nil, f); err != nil {
			return err
		}
		o, err = ch.start(o)
		return err
	})
	return f, o, err
}

// ReachedPortForward is a port forward with the address at which it is reached:
// tenants cannot read their gateway's node. It is "" if the node does not tell it.
type ReachedPortForward struct {
	cloud.PortForward
	Address string
}

// PortForward returns the port forward if the caller may see it.
func (c *Control) PortForward(ctx context.Context, r *Request, id cloud.PortForwardID) (*ReachedPortForward, error) {
	var out *ReachedPortForward
	err := c.view(ctx, func(tx *store.Tx) error {
		f, err := tx.PortForward(id)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Read, portForwardTarget(f)); err != nil {
			return err
		}
		list, err := reached(tx, []cloud.PortForward{*f})
		if err != nil {
			return err
		}
		out = &list[0]
		return nil
	})
	return out, err
}

// PortForwards returns a page of the port forwards that the caller may see.
func (c *Control) PortForwards(ctx context.Context, r *Request, q store.Query) (list []ReachedPortForward, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		rows, n, err := tx.PortForwards(r.query(cloud.KindPortForward, q))
		if err != nil {
			return err
		}
		next = n
		list, err = reached(tx, rows)
		return err
	})
	return list, next, err
}

// reached adds the addresses that the gateways' nodes told last.
func reached(tx *store.Tx, rows []cloud.PortForward) ([]ReachedPortForward, error) {
	at := map[cloud.NodeID]string{}
	for i := range rows {
		at[rows[i].NodeID] = ""
	}
	nodes, err := tx.NodesWith(slices.Collect(maps.Keys(at)))
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		at[nodes[i].ID] = nodes[i].PublicAddress()
	}
	out := make([]ReachedPortForward, 0, len(rows))
	for _, f := range rows {
		out = append(out, ReachedPortForward{f, at[f.NodeID]})
	}
	return out, nil
}

// DeletePortForward closes the public port.
func (c *Control) DeletePortForward(ctx context.Context, r *Request, id cloud.PortForwardID) (*cloud.PortForward, *cloud.Operation, error) {
	var f *cloud.PortForward
	var o *cloud.Operation
	err := c.change(ctx, r, "port-forward.delete", func(ch *change) (err error) {
		if f, err = ch.PortForward(id); err != nil {
			return err
		}
		if err := r.allow(authz.Delete, portForwardTarget(f)); err != nil {
			return err
		}
		if _, err := ch.active(f.AccountID); err != nil {
			return err
		}
		if err := ch.match(cloud.KindPortForward, string(f.ID), f.Version); err != nil {
			return err
		}
		if err := cloud.PortForwardTransitions.Check(cloud.KindPortForward, string(id), f.State, cloud.PortForwardDeleting); err != nil {
			return err
		}
		if _, err := ch.supersede(f.OperationID); err != nil {
			return err
		}
		o = &cloud.Operation{
			ID: cloud.NewID[cloud.OperationID](), Kind: "port-forward.delete", AccountID: f.AccountID, CloudspaceID: f.CloudspaceID,
			SubjectKind: cloud.KindPortForward, SubjectID: string(f.ID), SubjectName: string(f.ID),
		}
		f.State, f.OperationID = cloud.PortForwardDeleting, o.ID
		if err := ch.UpdatePortForward(f); err != nil {
			return err
		}
		if err := ch.event("port-forward.delete", portForwardSubject(f), f, nil); err != nil {
			return err
		}
		o, err = ch.start(o)
		return err
	})
	return f, o, err
}

func (c *Control) portForwardOperations() []op.Definition {
	return []op.Definition{
		{
			Kind: "port-forward.create", Limit: opLimit, Settled: settleForward(cloud.PortForwardActive),
			Steps: []op.Step{{Name: "open port", Do: forwardNetwork, Undo: closePort}},
		},
		{
			Kind: "port-forward.delete", Limit: opLimit, Settled: settleForward(cloud.PortForwardDeleted),
			Steps: []op.Step{{Name: "close port", Do: closePort}},
		},
	}
}

func forwardNetwork(s *op.Scope) error { return ensureNetwork(s, s.Op.CloudspaceID) }

// closePort makes the network without the forward; a node that does not answer
// learns it when it is back.
func closePort(s *op.Scope) error {
	f, err := s.Tx.PortForward(cloud.PortForwardID(s.Op.SubjectID))
	if cloud.Is(err, cloud.NotFound) {
		return nil // its machine was deleted meanwhile, and the port with it
	}
	if err != nil {
		return err
	}
	if f.State == cloud.PortForwardCreating { // undo: the specification must not name it
		f.State, f.Reason = cloud.PortForwardFailed, s.Op.Error
		if err := s.Tx.UpdatePortForward(f); err != nil {
			return err
		}
	}
	cs, err := s.Tx.Cloudspace(s.Op.CloudspaceID)
	if err != nil || cs.NodeID == "" {
		return err
	}
	err = changeNetwork(s, cs)
	if e := new(cloud.Error); s.Op.State == cloud.OperationUndoing || errors.As(err, &e) && e.State != "" { // the network goes, and the port with it
		err = passOver(err)
	}
	return err
}

func settleForward(done cloud.PortForwardState) func(*op.Scope, *cloud.Error) error {
	return func(s *op.Scope, cause *cloud.Error) error {
		f, err := s.Tx.PortForward(cloud.PortForwardID(s.Op.SubjectID))
		if cloud.Is(err, cloud.NotFound) {
			return nil // its machine was deleted meanwhile
		}
		if err != nil || f.OperationID != s.Op.ID {
			return err
		}
		f.State, f.Reason, f.OperationID = done, "", ""
		if cause != nil {
			f.State, f.Reason = cloud.PortForwardFailed, cause.Message
		}
		if f.State != cloud.PortForwardActive {
			if err := releaseAll(s.Tx, cloud.KindPortForward, string(f.ID), s.Op.ID, string(f.State)); err != nil {
				return err
			}
		}
		if f.State == cloud.PortForwardDeleted {
			if f.DeletedAt, err = s.Tx.Now(); err != nil {
				return err
			}
		}
		if err := s.Tx.UpdatePortForward(f); err != nil {
			return err
		}
		return stateEvent(s.Tx, "port-forward."+string(f.State), portForwardSubject(f), f.Reason)
	}
}
