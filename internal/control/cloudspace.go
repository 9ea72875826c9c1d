package control

import (
	"context"
	"encoding/json"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
)

func cloudspaceTarget(s *cloud.Cloudspace) target {
	return target{kind: cloud.KindCloudspace, name: s.Name, account: s.AccountID, cloudspace: s.ID}
}

func cloudspaceSubject(s *cloud.Cloudspace) subject {
	return subject{cloud.KindCloudspace, string(s.ID), s.Name, s.AccountID, s.ID, ""}
}

// NewCloudspace is what a cloudspace is made from. Account and Location are ids
// or names; an empty Location takes the only one there is.
type NewCloudspace struct {
	Account, Location, Name, Network string
}

// CreateCloudspace makes a cloudspace. Its gateway is made with its first machine.
func (c *Control) CreateCloudspace(ctx context.Context, r *Request, in NewCloudspace) (*cloud.Cloudspace, error) {
	var s *cloud.Cloudspace
	err := c.change(ctx, r, "cloudspace.create", func(ch *change) (err error) {
		a, err := findAccount(ch.Tx, in.Account)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Create, target{kind: cloud.KindCloudspace, name: in.Name, account: a.ID}); err != nil {
			return hideIn(err, r, target{kind: cloud.KindAccount, account: a.ID}, in.Account)
		}
		if _, err := ch.active(a.ID); err != nil {
			return err
		}
		l, err := locationOr(ch.Tx, in.Location)
		if err != nil {
			return err
		}
		s, err = ch.createCloudspace(a.ID, l.ID, in.Name, in.Network)
		return err
	})
	return s, err
}

// hideIn turns a refusal into NotFound of the parent if the caller may not know
// that the parent exists, which it named ref.
func hideIn(err error, r *Request, parent target, ref string) error {
	parent.name = ref
	if hidden := r.allow(authz.Read, parent); hidden != nil {
		return hidden
	}
	return err
}

func (ch *change) createCloudspace(a cloud.AccountID, l cloud.LocationID, name, network string) (*cloud.Cloudspace, error) {
	if network == "" {
		network = cloud.DefaultNetwork
	}
	s := &cloud.Cloudspace{ID: cloud.NewID[cloud.CloudspaceID](), AccountID: a, LocationID: l, Name: name, State: cloud.CloudspaceActive, Network: network}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var err error
	if s.NetworkNum, err = ch.Next("network"); err != nil {
		return nil, err
	}
	if err := ch.CreateCloudspace(s); err != nil {
		return nil, err
	}
	return s, ch.event("cloudspace.create", cloudspaceSubject(s), nil, s)
}

// locationOr returns the location by id or name; "" is the only one there is.
func locationOr(tx *store.Tx, ref string) (*cloud.Location, error) {
	if ref != "" {
		return findLocation(tx, ref)
	}
	list, _, err := tx.Locations(store.Query{Limit: 2, Visible: store.Everything})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, cloud.FieldErrorf("location", "is required where there is not exactly one")
	}
	return &list[0], nil
}

// spaceRef is a cloudspace as a caller named it, for the answer that there is
// none. The answer is the same whether the account or the cloudspace is not there
// or not for the caller.
func spaceRef(account, ref string) string {
	if cloud.IsID(ref) || account == "" {
		return ref
	}
	return ref + " of account " + account
}

// findCloudspace returns the cloudspace by id, or by name in the account.
func findCloudspace(tx *store.Tx, account, ref string) (*cloud.Cloudspace, error) {
	if cloud.IsID(ref) {
		return tx.Cloudspace(cloud.CloudspaceID(ref))
	}
	if ref == "" {
		return nil, cloud.FieldErrorf("cloudspace", "is required")
	}
	if account == "" {
		return nil, cloud.FieldErrorf("account", "is required to find cloudspace %q by its name; or give its id", ref)
	}
	a, err := findAccount(tx, account)
	var s *cloud.Cloudspace
	if err == nil {
		s, err = tx.CloudspaceNamed(a.ID, ref)
	}
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindCloudspace, spaceRef(account, ref))
	}
	return s, err
}

// Cloudspace returns the cloudspace by id, or by name in the account.
func (c *Control) Cloudspace(ctx context.Context, r *Request, account, ref string) (*cloud.Cloudspace, error) {
	var s *cloud.Cloudspace
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if s, err = findCloudspace(tx, account, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, cloudspaceTarget(s), spaceRef(account, ref))
	})
	return s, err
}

// Cloudspaces returns a page of the cloudspaces that the caller may see.
func (c *Control) Cloudspaces(ctx context.Context, r *Request, q store.Query) (list []cloud.Cloudspace, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Cloudspaces(r.query(cloud.KindCloudspace, q))
		return err
	})
	return list, next, err
}

// RenameCloudspace gives the cloudspace another name; "" keeps it.
func (c *Control) RenameCloudspace(ctx context.Context, r *Request, account, ref, name string) (*cloud.Cloudspace, error) {
	var s *cloud.Cloudspace
	err := c.change(ctx, r, "cloudspace.update", func(ch *change) (err error) {
		if s, err = ch.cloudspaceFor(authz.Update, account, ref); err != nil {
			return err
		}
		before := *s
		if name != "" {
			s.Name = name
		}
		if err := s.Validate(); err != nil {
			return err
		}
		if err := ch.UpdateCloudspace(s); err != nil {
			return err
		}
		return ch.event("cloudspace.update", cloudspaceSubject(s), &before, s)
	})
	return s, err
}

// cloudspaceFor finds the cloudspace for a change in it.
func (ch *change) cloudspaceFor(a authz.Action, account, ref string) (*cloud.Cloudspace, error) {
	s, err := findCloudspace(ch.Tx, account, ref)
	if err != nil {
		return nil, err
	}
	if err := ch.r.permit(a, cloudspaceTarget(s), spaceRef(account, ref)); err != nil {
		return nil, err
	}
	if _, err := ch.active(s.AccountID); err != nil {
		return nil, err
	}
	return s, ch.match(cloud.KindCloudspace, s.Name, s.Version)
}

// DeleteCloudspace removes the cloudspace with its network. It must be empty.
func (c *Control) DeleteCloudspace(ctx context.Context, r *Request, account, ref string) (*cloud.Operation, error) {
	var o *cloud.Operation
	err := c.change(ctx, r, "cloudspace.delete", func(ch *change) error {
		s, err := ch.cloudspaceFor(authz.Delete, account, ref)
		if err != nil {
			return err
		}
		if err := ch.LockCloudspace(s.ID); err != nil {
			return err
		}
		machines, err := ch.MachinesIn(s.ID)
		if err != nil {
			return err
		}
		if len(machines) > 0 {
			return cloud.StateErrorf(string(s.State), "cloudspace %s still has %d machines (%s, …); delete them first", s.Name, len(machines), machines[0].Name)
		}
		if err := cloud.CloudspaceTransitions.Check(cloud.KindCloudspace, s.Name, s.State, cloud.CloudspaceDeleting); err != nil {
			return err
		}
		o = &cloud.Operation{
			ID: cloud.NewID[cloud.OperationID](), Kind: "cloudspace.delete", AccountID: s.AccountID, CloudspaceID: s.ID,
			SubjectKind: cloud.KindCloudspace, SubjectID: string(s.ID), SubjectName: s.Name,
		}
		s.State, s.OperationID = cloud.CloudspaceDeleting, o.ID
		if err := ch.UpdateCloudspace(s); err != nil {
			return err
		}
		if err := ch.event("cloudspace.delete", cloudspaceSubject(s), s, nil); err != nil {
			return err
		}
		o, err = ch.start(o)
		return err
	})
	return o, err
}

func (c *Control) cloudspaceDelete() op.Definition {
	return op.Definition{
		Kind: "cloudspace.delete", Limit: opLimit,
		Steps: []op.Step{{Name: "remove network", Do: func(s *op.Scope) error {
			if err := s.Tx.LockCloudspace(s.Op.CloudspaceID); err != nil {
				return err
			}
			cs, err := s.Tx.Cloudspace(s.Op.CloudspaceID)
			if err != nil {
				return err
			}
			return removeNetwork(s, cs)
		}}},
		Settled: func(s *op.Scope, cause *cloud.Error) error {
			cs, err := s.Tx.Cloudspace(s.Op.CloudspaceID)
			if err != nil {
				return err
			}
			cs.State, cs.OperationID = cloud.CloudspaceDeleted, ""
			if cause != nil {
				cs.State, cs.Reason = cloud.CloudspaceFailed, cause.Message
				return s.Tx.UpdateCloudspace(cs)
			}
			if cs.DeletedAt, err = s.Tx.Now(); err != nil {
				return err
			}
			if err := s.Tx.DeleteMembershipsUnder(cs.ID, ""); err != nil {
				return err
			}
			return s.Tx.UpdateCloudspace(cs)
		},
	}
}

// jobOf makes a built-in job on a node.
func jobOf(node cloud.NodeID, action, queue string, args any) (cloud.Job, error) {
	b, err := json.Marshal(args)
	return cloud.Job{
		Action: action, TargetNode: node, Queue: queue, Args: b, Idempotent: true, MaxAttempts: 3, Retention: cloud.KeepFailures,
	}, err
}
