package control

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// need is what a machine takes of a node.
type need struct {
	vcpus, memoryMiB, diskGiB int64
}

func (n need) amounts() amounts {
	return amounts{
		cloud.ResourceMachines: 1, cloud.ResourceVCPUs: n.vcpus,
		cloud.ResourceMemoryMiB: n.memoryMiB, cloud.ResourceDiskGiB: n.diskGiB,
	}
}

// place chooses a node for a machine of the cloudspace: the one with the most
// free memory of those that can take it. It returns every node, chosen or
// rejected with the reason; Capacity if none can.
func place(tx *store.Tx, s *cloud.Cloudspace, want need) (*cloud.Node, []cloud.Candidate, error) {
	nodes, err := allNodes(tx)
	if err != nil {
		return nil, nil, err
	}
	real := slices.ContainsFunc(nodes, func(n cloud.Node) bool {
		return !n.Simulated && n.LocationID == s.LocationID && n.HasRole(cloud.RoleCompute)
	})
	type option struct {
		node *cloud.Node
		free int64
	}
	var options []option
	candidates := make([]cloud.Candidate, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		candidates[i] = cloud.Candidate{NodeID: n.ID, Node: n.Name}
		reason, free, err := rejects(tx, n, s, want, real)
		if err != nil {
			return nil, nil, err
		}
		if reason != "" {
			candidates[i].Reason = reason
			continue
		}
		candidates[i].Reason = fmt.Sprintf("has room, but a node with more free memory was taken (%d MiB free)", free)
		options = append(options, option{n, free})
	}
	if len(options) == 0 {
		return nil, candidates, noRoom(candidates)
	}
	best := slices.MaxFunc(options, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.free, b.free), cmp.Compare(b.node.ID, a.node.ID))
	})
	for i := range candidates {
		if candidates[i].NodeID == best.node.ID {
			candidates[i].Chosen, candidates[i].Reason = true, fmt.Sprintf("most free memory (%d MiB)", best.free)
		}
	}
	return best.node, candidates, nil
}

// noRoom names the reasons, the most frequent ones first, at most three.
func noRoom(candidates []cloud.Candidate) error {
	if len(candidates) == 0 {
		return cloud.Errorf(cloud.Capacity, "there is no node yet; an operator adds one with 'atoll node token create' and 'atoll agent'")
	}
	count := map[string]int{}
	example := map[string]string{}
	for _, c := range candidates {
		count[c.Reason]++
		example[c.Reason] = c.Node
	}
	reasons := make([]string, 0, len(count))
	for r := range count {
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	text := ""
	for i, r := range reasons[:min(3, len(reasons))] {
		if i > 0 {
			text += "; "
		}
		if count[r] == 1 {
			text += example[r] + " " + r
		} else {
			text += fmt.Sprintf("%d nodes: %s", count[r], r)
		}
	}
	return cloud.Errorf(cloud.Capacity, "no node can take it: %s", text)
}

func allNodes(tx *store.Tx) ([]cloud.Node, error) {
	return allOf(tx.Nodes, store.Query{Visible: store.Everything})
}

// rejects says why the node cannot take the machine, "" if it can, and how much
// memory it has free.
func rejects(tx *store.Tx, n *cloud.Node, s *cloud.Cloudspace, want need, realExists bool) (string, int64, error) {
	switch {
	case n.LocationID != s.LocationID:
		return "is in another location", 0, nil
	case !n.HasRole(cloud.RoleCompute):
		return "has no compute role", 0, nil
	case s.NodeID != "" && s.NodeID != n.ID:
		return "does not hold the cloudspace's network", 0, nil
	case s.NodeID == "" && !n.HasRole(cloud.RoleNetwork):
		return "has no network role", 0, nil
	case n.State != cloud.NodeOnline:
		return "is " + string(n.State), 0, nil
	case n.Cordoned:
		return "is cordoned", 0, nil
	case n.Facts.Accelerator == "":
		return "has no working accelerator", 0, nil
	case n.Simulated && realExists:
		return "is simulated, and real nodes exist", 0, nil
	}
	scope := cloud.Scope{Kind: cloud.KindNode, ID: string(n.ID)}
	var free int64
	for r, needed := range want.amounts() {
		if needed == 0 {
			continue
		}
		b, err := tx.Balance(scope, r)
		if err != nil {
			return "", 0, err
		}
		if b.Limit >= 0 && b.Amount+needed > b.Limit {
			return fmt.Sprintf("has %d %s left, %d are needed", max(0, b.Limit-b.Amount), r, needed), 0, nil
		}
		if r == cloud.ResourceMemoryMiB {
			free = b.Limit - b.Amount
		}
	}
	return "", free, nil
}

// setCapacity makes the node's facts the limits of its balances. A tenth of the
// memory is the host's own.
func setCapacity(tx *store.Tx, n *cloud.Node) error {
	scope := cloud.Scope{Kind: cloud.KindNode, ID: string(n.ID)}
	capacity := amounts{
		cloud.ResourceVCPUs:     int64(n.Facts.CPUs) * n.CPUOvercommit / 100,
		cloud.ResourceMemoryMiB: n.Facts.MemoryMiB * 9 / 10,
		cloud.ResourceDiskGiB:   n.Facts.DiskMiB / 1024,
	}
	for r, limit := range capacity {
		b, err := tx.Balance(scope, r)
		if err != nil {
			return err
		}
		if b.Limit == limit {
			continue
		}
		if err := tx.SetLimit(scope, r, limit); err != nil {
			return err
		}
	}
	return nil
}

// freeAddress returns the first address of the cloudspace's network that no
// machine has. The caller has locked the cloudspace.
func freeAddress(tx *store.Tx, s *cloud.Cloudspace) (string, error) {
	p, err := netip.ParsePrefix(s.Network)
	if err != nil {
		return "", err
	}
	machines, err := tx.MachinesIn(s.ID)
	if err != nil {
		return "", err
	}
	used := map[string]bool{s.Gateway().String(): true}
	for i := range machines {
		used[machines[i].Address] = true
	}
	for a := p.Addr().Next().Next(); p.Contains(a.Next()); a = a.Next() { // the last one is the broadcast address
		if !used[a.String()] {
			return a.String(), nil
		}
	}
	return "", cloud.Errorf(cloud.Capacity, "network %s of cloudspace %s has no free address; make another cloudspace or one with a larger network", s.Network, s.Name)
}

// newMAC returns a random address, locally administered and of one interface.
// With 40 random bits no two machines meet: with the 24 behind QEMU's prefix one
// create in a thousand would, at 20,000 machines.
func newMAC() string {
	var b [5]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return fmt.Sprintf("52:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}
