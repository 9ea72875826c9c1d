package lab

import (
	"fmt"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// Unsound says what is wrong in a store in which nothing goes on: objects that
// are stuck, balances that differ from their entries, and entries that differ from
// the objects they are about.
func Unsound(tx *store.Tx) ([]string, error) {
	var wrong []string
	stuck, err := tx.StuckObjects()
	if err != nil {
		return nil, err
	}
	for _, s := range stuck {
		wrong = append(wrong, fmt.Sprintf("%s %s is %s without a live operation", s.Kind, s.ID, s.State))
	}
	bad, err := tx.Unbalanced()
	if err != nil {
		return nil, err
	}
	for _, b := range bad {
		wrong = append(wrong, fmt.Sprintf("balance %+v differs from its entries", b))
	}
	a := &audit{tx: tx, sums: map[balance]int64{}}
	if err := a.run(); err != nil {
		return nil, err
	}
	return append(wrong, a.wrong...), nil
}

// audit compares what the objects should hold with their entries and balances.
type audit struct {
	tx    *store.Tx
	sums  map[balance]int64
	wrong []string
}

type balance struct {
	scope    cloud.Scope
	resource cloud.Resource
}

func (a *audit) run() error {
	for q := (store.Query{Limit: store.MaxLimit, Visible: store.Everything}); ; {
		list, next, err := a.tx.Machines(q)
		if err != nil {
			return err
		}
		for i := range list {
			if err := a.machine(&list[i]); err != nil {
				return err
			}
		}
		if q.Cursor = next; next == "" {
			break
		}
	}
	if err := a.deployments(); err != nil {
		return err
	}
	balances, err := a.tx.AllBalances()
	if err != nil {
		return err
	}
	for _, b := range balances {
		key := balance{b.Scope, b.Resource}
		if b.Amount != a.sums[key] {
			a.wrong = append(a.wrong, fmt.Sprintf("the balance of %s %s is %d %s, its objects have %d", b.Scope.Kind, b.Scope.ID, b.Amount, b.Resource, a.sums[key]))
		}
		delete(a.sums, key)
	}
	for key, n := range a.sums {
		if n != 0 {
			a.wrong = append(a.wrong, fmt.Sprintf("%s %s has no balance of %s, its objects have %d", key.scope.Kind, key.scope.ID, key.resource, n))
		}
	}
	return nil
}

// machine checks what a machine and its port forwards hold.
func (a *audit) machine(m *cloud.Machine) error {
	holds, err := a.held(string(m.ID))
	if err != nil {
		return err
	}
	account := cloud.Scope{Kind: cloud.KindAccount, ID: string(m.AccountID)}
	deleting := m.State == cloud.MachineFailed && holds[balance{account, cloud.ResourceMachines}] != 0
	should := map[cloud.Resource]int64{}
	if m.State != cloud.MachineFailed || deleting { // failed holds all (delete) or nothing (create)
		should[cloud.ResourceMachines], should[cloud.ResourceVCPUs] = 1, m.VCPUs
		should[cloud.ResourceMemoryMiB], should[cloud.ResourceDiskGiB] = m.MemoryMiB, m.DiskGiB
	}
	// One whose delete failed holds what running takes until it was seen to be off,
	// unless it was stopped: then it may have been seen on since.
	if m.State == cloud.MachineRunning || deleting && m.ObservedPower == cloud.PowerOn && holds[balance{account, cloud.ResourceRunningVCPUs}] != 0 {
		should[cloud.ResourceRunningVCPUs], should[cloud.ResourceRunningMemoryMiB] = m.VCPUs, m.MemoryMiB
	}
	scopes := []cloud.Scope{
		account, {Kind: cloud.KindCloudspace, ID: string(m.CloudspaceID)}, {Kind: cloud.KindNode, ID: string(m.NodeID)},
	}
	a.compare(fmt.Sprintf("%s machine %s", m.State, m.Name), holds, scopes, should)
	forwards, err := a.tx.PortForwardsOf(m.ID)
	if err != nil {
		return err
	}
	for _, f := range forwards {
		if holds, err = a.held(string(f.ID)); err != nil {
			return err
		}
		should := map[cloud.Resource]int64{}
		if f.State == cloud.PortForwardActive {
			should[cloud.ResourcePortForwards] = 1
		}
		a.compare(fmt.Sprintf("%s port forward %d of %s", f.State, f.PublicPort, m.Name), holds, scopes[:2], should)
	}
	return nil
}

// deployments checks what deployments hold: those that are not archived.
func (a *audit) deployments() error {
	list, _, err := a.tx.Deployments(store.Query{Limit: store.MaxLimit, Visible: store.Everything})
	if err != nil {
		return err
	}
	for _, d := range list {
		holds, err := a.held(string(d.ID))
		if err != nil {
			return err
		}
		account := cloud.Scope{Kind: cloud.KindAccount, ID: string(d.AccountID)}
		should := map[cloud.Resource]int64{cloud.ResourceDeployments: 1}
		if d.State == cloud.DeploymentArchived {
			should = map[cloud.Resource]int64{}
		}
		if d.State == cloud.DeploymentDeletePending { // as it was before, until it ends
			should[cloud.ResourceDeployments] = holds[balance{account, cloud.ResourceDeployments}]
		}
		a.compare(fmt.Sprintf("%s deployment %s", d.State, d.Name), holds, []cloud.Scope{account, {Kind: cloud.KindProject, ID: string(d.ProjectID)}}, should)
	}
	return nil
}

// held sums the entries of a subject.
func (a *audit) held(subject string) (map[balance]int64, error) {
	entries, err := a.tx.Entries(subject)
	sum := map[balance]int64{}
	for _, e := range entries {
		sum[balance{e.Scope, e.Resource}] += e.Delta
	}
	return sum, err
}

func (a *audit) compare(what string, holds map[balance]int64, scopes []cloud.Scope, should map[cloud.Resource]int64) {
	for _, scope := range scopes {
		for _, r := range cloud.Resources {
			key := balance{scope, r}
			if holds[key] != should[r] {
				a.wrong = append(a.wrong, fmt.Sprintf("%s holds %d %s of %s %s, want %d", what, holds[key], r, scope.Kind, scope.ID, should[r]))
			}
			a.sums[key] += should[r]
			delete(holds, key)
		}
	}
	for key, n := range holds {
		if n != 0 {
			a.wrong = append(a.wrong, fmt.Sprintf("%s holds %d %s of %s %s, which it is not in", what, n, key.resource, key.scope.Kind, key.scope.ID))
		}
	}
}
