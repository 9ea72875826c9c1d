package control

import (
	"encoding/json"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

func newLeftover(t *testing.T, c *Control, node cloud.NodeID, kind cloud.LeftoverKind, object string, epoch int64) *cloud.Leftover {
	t.Helper()
	l := &cloud.Leftover{ID: cloud.NewID[cloud.LeftoverID](), NodeID: node, Kind: kind, ObjectID: object, Epoch: epoch, Reason: "away"}
	inTx(t, c, func(tx *store.Tx) error { return tx.CreateLeftover(l) })
	return l
}

func clearNow(t *testing.T, c *Control) {
	t.Helper()
	if err := c.clearOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func leftoversNow(t *testing.T, c *Control) []cloud.Leftover {
	t.Helper()
	list, _, err := c.Leftovers(t.Context(), operator, store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func setNode(t *testing.T, c *Control, n *cloud.Node, state cloud.NodeState) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) error { n.State = state; return tx.UpdateNode(n) })
}

func TestLeftoversAreClearedWhenTheirNodeReturns(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		account, _ := newTenant(t, c, "acme")
		home := newLocation(t, c, "home")
		n := newNode(t, c, "a", home.ID, cloud.NodeOffline)
		machine, disk := cloud.NewID[cloud.MachineID](), cloud.NewID[cloud.DiskID]()
		space := &cloud.Cloudspace{ID: cloud.NewID[cloud.CloudspaceID](), AccountID: account, LocationID: home.ID, Name: "s", Network: cloud.DefaultNetwork, NetworkNum: 42}
		inTx(t, c, func(tx *store.Tx) error {
			if err := tx.CreateCloudspace(space); err != nil {
				return err
			}
			space.DeletedAt = cloud.Now()
			return tx.UpdateCloudspace(space)
		})
		newLeftover(t, c, n.ID, cloud.LeftoverVolume, string(disk), 0)
		newLeftover(t, c, n.ID, cloud.LeftoverNetwork, string(space.ID), 0)
		newLeftover(t, c, n.ID, cloud.LeftoverMachine, string(machine), 3)

		clearNow(t, c)
		if jobs := jobsNow(t, c); len(jobs) != 0 {
			t.Fatalf("jobs for a node that is away: %v", jobs)
		}
		setNode(t, c, n, cloud.NodeOnline)
		clearNow(t, c)
		clearNow(t, c) // starts nothing a second time
		jobs := jobsNow(t, c)
		if len(jobs) != 1 || jobs[0].Action != wire.ActionMachineDelete || jobs[0].MaxAttempts != 3 || !jobs[0].Idempotent {
			t.Fatalf("jobs = %+v, want the machine's first", jobs)
		}
		var m wire.MachineRef
		if err := json.Unmarshal(jobs[0].Args, &m); err != nil || m.ID != machine || m.Epoch != 3 {
			t.Errorf("machine = %+v, %v", m, err)
		}
		endJob(t, c, jobs[0].ID, cloud.JobSucceeded)
		clearNow(t, c) // ends the machine's row
		clearNow(t, c)
		jobs = jobsNow(t, c)
		if len(jobs) != 3 || jobs[1].Action != wire.ActionVolumeDelete || jobs[2].Action != wire.ActionNetworkDelete {
			t.Fatalf("jobs = %+v, want volume and network", jobs)
		}
		var ref wire.NetworkRef
		if err := json.Unmarshal(jobs[2].Args, &ref); err != nil || ref.ID != space.ID || ref.Number != 42 {
			t.Errorf("network = %+v, %v", ref, err)
		}
		endJob(t, c, jobs[1].ID, cloud.JobSucceeded)
		endJob(t, c, jobs[2].ID, cloud.JobFailed)
		clearNow(t, c)
		left := leftoversNow(t, c)
		if len(left) != 1 || left[0].Kind != cloud.LeftoverNetwork {
			t.Fatalf("leftovers = %v, want the network, whose job failed", left)
		}
		if jobs := jobsNow(t, c); len(jobs) != 3 {
			t.Errorf("a failed job was started again at once")
		}
		storetest.Exec(t, c.DB, "UPDATE jobs SET finished_at = 1 WHERE state = 'failed'")
		clearNow(t, c)
		if jobs = jobsNow(t, c); len(jobs) != 4 {
			t.Fatalf("%d jobs, want the failed one started again", len(jobs))
		}
		endJob(t, c, jobs[3].ID, cloud.JobSucceeded)
		clearNow(t, c)
		if left := leftoversNow(t, c); len(left) != 0 {
			t.Errorf("leftovers = %v, want none", left)
		}
		if got := actions(t, c); got["leftover.cleared"] != 3 {
			t.Errorf("events = %v, want leftover.cleared three times", got)
		}
	})
}

func TestLeftoverOfWhatLivesAgainIsKept(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	account, _ := newTenant(t, c, "acme")
	home := newLocation(t, c, "home")
	n := newNode(t, c, "a", home.ID, cloud.NodeOnline)
	s := &cloud.Cloudspace{ID: cloud.NewID[cloud.CloudspaceID](), AccountID: account, LocationID: home.ID, Name: "s", Network: cloud.DefaultNetwork, NodeID: n.ID, State: cloud.CloudspaceActive}
	m := &cloud.Machine{ID: cloud.NewID[cloud.MachineID](), AccountID: account, CloudspaceID: s.ID, Name: "m", State: cloud.MachineRunning, NodeID: n.ID, PlacementEpoch: 4}
	d := &cloud.Disk{ID: cloud.NewID[cloud.DiskID](), AccountID: account, CloudspaceID: s.ID, MachineID: m.ID, NodeID: n.ID, Name: "boot", State: cloud.DiskReady, SizeGiB: 1}
	inTx(t, c, func(tx *store.Tx) error {
		for _, err := range []error{tx.CreateCloudspace(s), tx.CreateMachine(m), tx.CreateDisk(d)} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	newLeftover(t, c, n.ID, cloud.LeftoverMachine, string(m.ID), 3)
	newLeftover(t, c, n.ID, cloud.LeftoverVolume, string(d.ID), 0)
	newLeftover(t, c, n.ID, cloud.LeftoverNetwork, string(s.ID), 0)
	clearNow(t, c)
	clearNow(t, c)
	if jobs, left := jobsNow(t, c), leftoversNow(t, c); len(jobs) != 0 || len(left) != 0 {
		t.Errorf("jobs %v, leftovers %v; want neither", jobs, left)
	}
}

func TestLeftoverOfDeletedNode(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	newLeftover(t, c, cloud.NewID[cloud.NodeID](), cloud.LeftoverVolume, string(cloud.NewID[cloud.DiskID]()), 0)
	clearNow(t, c)
	if left := leftoversNow(t, c); len(left) != 0 {
		t.Errorf("leftovers = %v, want none", left)
	}
}

func TestDeleteLeftover(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		_, tenant := newTenant(t, c, "acme")
		n := newNode(t, c, "a", newLocation(t, c, "home").ID, cloud.NodeOnline)
		l := newLeftover(t, c, n.ID, cloud.LeftoverVolume, string(cloud.NewID[cloud.DiskID]()), 0)
		clearNow(t, c)
		_, _, err := c.Leftovers(ctx, tenant, store.Query{})
		wantKind(t, "list by a tenant", err, cloud.Denied)
		wantKind(t, "delete by a tenant", c.DeleteLeftover(ctx, tenant, l.ID), cloud.NotFound)
		if err := c.DeleteLeftover(ctx, operator, l.ID); err != nil {
			t.Fatal(err)
		}
		if left, jobs := leftoversNow(t, c), jobsNow(t, c); len(left) != 0 || jobs[0].State != cloud.JobCanceled {
			t.Errorf("leftovers %v, job %s", left, jobs[0].State)
		}
	})
}

func TestLeftoverLoop(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	newLeftover(t, c, cloud.NewID[cloud.NodeID](), cloud.LeftoverVolume, string(cloud.NewID[cloud.DiskID]()), 0)
	runLoops(t, c.clearLeftovers)
	until(t, "end of the leftover", func() bool { return len(leftoversNow(t, c)) == 0 })
}
