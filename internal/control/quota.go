package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func accountScope(id cloud.AccountID) cloud.Scope {
	return cloud.Scope{Kind: cloud.KindAccount, ID: string(id)}
}

func cloudspaceScope(id cloud.CloudspaceID) cloud.Scope {
	return cloud.Scope{Kind: cloud.KindCloudspace, ID: string(id)}
}

// scopeOf finds the account or cloudspace of a balance, its name and its place in
// the tree of rights.
func scopeOf(tx *store.Tx, s cloud.Scope) (target, error) {
	switch s.Kind {
	case cloud.KindAccount:
		a, err := tx.Account(cloud.AccountID(s.ID))
		if err != nil {
			return target{}, err
		}
		return target{kind: cloud.KindQuota, name: "of account " + a.Name, account: a.ID}, nil
	case cloud.KindCloudspace:
		p, err := tx.Cloudspace(cloud.CloudspaceID(s.ID))
		if err != nil {
			return target{}, err
		}
		return target{kind: cloud.KindQuota, name: "of cloudspace " + p.Name, account: p.AccountID, cloudspace: p.ID}, nil
	}
	if s.Kind == cloud.KindProject {
		p, err := tx.Project(cloud.ProjectID(s.ID))
		if err != nil {
			return target{}, err
		}
		return target{kind: cloud.KindQuota, name: "of project " + p.Name, account: p.AccountID, project: p.ID}, nil
	}
	return target{}, cloud.FieldErrorf("scope", "%q has no quota; accounts, cloudspaces and projects have", s.Kind)
}

// permitQuota returns nil if the caller may do it with the scope's quota.
func permitQuota(tx *store.Tx, r *Request, a authz.Action, s cloud.Scope) (target, error) {
	t, err := scopeOf(tx, s)
	if err != nil {
		return t, err
	}
	read := t
	read.name = s.ID
	if err := r.allow(authz.Read, read); err != nil {
		// The same words as for a scope that is not there.
		return t, cloud.Errorf(cloud.NotFound, "there is no %s %s", s.Kind, s.ID)
	}
	if a == authz.Manage {
		// The one who is limited must not raise his own limit: a cloudspace's is set
		// with a role on the account.
		t.cloudspace, t.project = "", ""
		if !authz.Allowed(r.roles(t), a, cloud.KindQuota) {
			return t, cloud.Errorf(cloud.Denied, "you may not set the limits %s; an admin of the account could", t.name)
		}
	}
	return t, r.allow(a, t)
}

// Quota returns the balances of an account or cloudspace with their limits, one
// for each resource.
func (c *Control) Quota(ctx context.Context, r *Request, s cloud.Scope) ([]cloud.Balance, error) {
	var list []cloud.Balance
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if _, err = permitQuota(tx, r, authz.Read, s); err != nil {
			return err
		}
		list, err = tx.Balances(s)
		return err
	})
	return list, err
}

// Capacity returns what is placed on each node of what it has, by the nodes' names.
func (c *Control) Capacity(ctx context.Context, r *Request) ([]cloud.NodeBalance, error) {
	var list []cloud.NodeBalance
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if err = r.mayList(cloud.KindNode); err != nil {
			return err
		}
		list, err = tx.NodeBalances()
		return err
	})
	return list, err
}

// SetLimits sets the limits that the map names; cloud.NoLimit takes one away.
// Limits of accounts are for operators, those of cloudspaces for admins of the
// account. A limit below what is in use holds, and one of the notes says so.
func (c *Control) SetLimits(ctx context.Context, r *Request, s cloud.Scope, limits map[cloud.Resource]int64) (list []cloud.Balance, notes []string, err error) {
	err = c.change(ctx, r, "quota.set", func(ch *change) error {
		act := authz.Update
		if s.Kind != cloud.KindAccount {
			act = authz.Manage
		}
		t, err := permitQuota(ch.Tx, r, act, s)
		if err != nil {
			return err
		}
		if len(limits) == 0 {
			return cloud.FieldErrorf("limits", "is required: name at least one of %v", cloud.Resources)
		}
		if err := validateLimits(limits); err != nil {
			return err
		}
		if s.Kind != cloud.KindAccount {
			if _, err := ch.active(t.account); err != nil {
				return err
			}
		}
		if notes, err = ch.setLimits(s, limits); err != nil {
			return err
		}
		list, err = ch.Balances(s)
		return err
	})
	return list, notes, err
}

func validateLimits(limits map[cloud.Resource]int64) error {
	for res, n := range limits {
		if !slices.Contains(cloud.Resources, res) {
			return cloud.FieldErrorf("limits", "%q is no resource; they are %v", res, cloud.Resources)
		}
		if n < 0 && n != cloud.NoLimit {
			return cloud.FieldErrorf("limits", "%s must be 0 or more, or %d for no limit, not %d", res, cloud.NoLimit, n)
		}
	}
	return nil
}

// limitText is a limit for people.
func limitText(n int64) string {
	if n == cloud.NoLimit {
		return "no limit"
	}
	return fmt.Sprint(n)
}

// setLimits writes the limits and one event, and says which are below use.
func (ch *change) setLimits(s cloud.Scope, limits map[cloud.Resource]int64) (notes []string, err error) {
	if len(limits) == 0 {
		return nil, nil
	}
	t, err := scopeOf(ch.Tx, s)
	if err != nil {
		return nil, err
	}
	type set struct{ Limits map[cloud.Resource]int64 }
	before := set{map[cloud.Resource]int64{}}
	for _, res := range cloud.Resources { // always in the same order: no deadlocks
		n, ok := limits[res]
		if !ok {
			continue
		}
		b, err := ch.Balance(s, res)
		if err != nil {
			return nil, err
		}
		if err := ch.SetLimit(s, res, n); err != nil {
			return nil, err
		}
		ch.plan.Steps = append(ch.plan.Steps, fmt.Sprintf("set the limit of %s from %s to %s", res, limitText(b.Limit), limitText(n)))
		before.Limits[res] = b.Limit
		if n != cloud.NoLimit && b.Amount > n {
			notes = append(notes, fmt.Sprintf("%d %s are in use, above the new limit of %d: what is there stays, and nothing can be added until less is in use", b.Amount, res, n))
		}
	}
	ch.plan.Steps = append(ch.plan.Steps, notes...)
	return notes, ch.event("quota.set", subject{cloud.KindQuota, s.ID, strings.TrimPrefix(t.name, "of "), t.account, t.cloudspace, t.project}, before, set{limits})
}

// dropLimits takes all limits of a scope that is deleted.
func (ch *change) dropLimits(s cloud.Scope) error {
	list, err := ch.Balances(s)
	if err != nil {
		return err
	}
	for _, b := range list {
		if b.Limit == cloud.NoLimit {
			continue
		}
		if err := ch.SetLimit(s, b.Resource, cloud.NoLimit); err != nil {
			return err
		}
	}
	return nil
}

// Entries returns a page of the ledger of an account or cloudspace.
func (c *Control) Entries(ctx context.Context, r *Request, s cloud.Scope, q store.Query) (list []cloud.Entry, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		if _, err := permitQuota(tx, r, authz.Read, s); err != nil {
			return err
		}
		list, next, err = tx.EntriesOf(s, q)
		return err
	})
	return list, next, err
}

// Usage is what an account or cloudspace used in a time.
type Usage struct {
	From, To  cloud.Time
	Resources map[cloud.Resource]int64 // units of the resource times seconds
	Counters  map[string]int64         // bytes
}

// Usage integrates the ledger from one time up to another; to 0 is now.
func (c *Control) Usage(ctx context.Context, r *Request, s cloud.Scope, from, to cloud.Time) (*Usage, error) {
	u := &Usage{From: from, To: to}
	err := c.view(ctx, func(tx *store.Tx) error {
		if _, err := permitQuota(tx, r, authz.Read, s); err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if u.To == 0 || u.To > now {
			u.To = now
		}
		if u.From < 0 || u.From > u.To {
			return cloud.FieldErrorf("from", "must lie before the end of the time")
		}
		if u.Resources, err = tx.Usage(s, u.From, u.To); err != nil {
			return err
		}
		u.Counters, err = tx.Counters(s, u.From, u.To)
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}
