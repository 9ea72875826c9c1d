package control

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// newCatalog returns a controller over the store, with a blob folder of its own.
func newCatalog(t *testing.T, db *store.DB, options ...func(*Config)) *Control {
	t.Helper()
	blobs, err := blob.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	keys, _, err := pki.LoadKeyring(filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{DB: db, Blobs: blobs, Keys: keys, Log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&cfg)
	}
	c, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eachCatalog runs the test on both databases.
func eachCatalog(t *testing.T, test func(t *testing.T, c *Control)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { test(t, newCatalog(t, db)) })
}

// runLoops runs loops until the test, or stop, ends them.
func runLoops(t *testing.T, loops ...func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	for _, loop := range loops {
		wg.Go(func() {
			if err := loop(ctx); err != nil {
				t.Errorf("loop ended with %v", err)
			}
		})
	}
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// until waits for a state.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("no %s within 20 s", what)
		}
	}
}

func inTx(t *testing.T, c *Control, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := c.DB.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, what string, err error, want cloud.ErrorKind) {
	t.Helper()
	if cloud.KindOf(err) != want {
		t.Fatalf("%s = %v, want an error of the kind %q", what, err, want)
	}
}

// operator may do all that is tested here; tenant is a writer of the account.
var operator = &Request{User: &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: "op", Role: cloud.InstallationOperator}}

func newTenant(t *testing.T, c *Control, name string) (cloud.AccountID, *Request) {
	t.Helper()
	a := &cloud.Account{ID: cloud.NewID[cloud.AccountID](), Name: name, State: cloud.AccountActive}
	inTx(t, c, func(tx *store.Tx) error { return tx.CreateAccount(a) })
	return a.ID, &Request{
		User:        &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: name + "-writer"},
		Memberships: []cloud.Membership{{AccountID: a.ID, Role: cloud.ScopeWriter}},
	}
}

func newLocation(t *testing.T, c *Control, name string) *cloud.Location {
	t.Helper()
	l := &cloud.Location{Name: name}
	if err := c.CreateLocation(t.Context(), operator, l); err != nil {
		t.Fatal(err)
	}
	return l
}

func newNode(t *testing.T, c *Control, name string, at cloud.LocationID, state cloud.NodeState, roles ...cloud.Role) *cloud.Node {
	t.Helper()
	n := &cloud.Node{ID: cloud.NewID[cloud.NodeID](), Name: name, LocationID: at, Roles: roles, State: state, CPUOvercommit: 400}
	inTx(t, c, func(tx *store.Tx) error { return tx.CreateNode(n) })
	return n
}

// leaseJob has the node take the queued job.
func leaseJob(tx *store.Tx, id cloud.JobID) (lease store.Lease, err error) {
	j, err := tx.Job(id)
	if err != nil {
		return lease, err
	}
	now, err := tx.Now()
	if err != nil {
		return lease, err
	}
	lease = store.Lease{ID: id, NodeID: j.TargetNode, Token: j.Token + 1, Attempt: 1, At: now}
	_, err = tx.LeaseJobs([]store.Lease{lease})
	return lease, err
}

// hold makes a job of the node's and has the node take it.
func hold(t *testing.T, c *Control, j *cloud.Job) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) error {
		if err := c.jobs.Add(tx, j); err != nil {
			return err
		}
		_, err := leaseJob(tx, j.ID)
		return err
	})
}

// endJob has the node take the queued job and end it.
func endJob(t *testing.T, c *Control, id cloud.JobID, state cloud.JobState) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) error {
		lease, err := leaseJob(tx, id)
		if err != nil {
			return err
		}
		now := lease.At
		done, err := tx.FinishJobs([]store.Finish{{JobRef: store.JobRef{ID: id, Token: lease.Token}, NodeID: lease.NodeID, State: state, FinishedAt: now}})
		if err == nil && len(done) != 1 {
			t.Errorf("job %s was not ended", id)
		}
		return err
	})
}

// jobsNow returns all jobs, the oldest first.
func jobsNow(t *testing.T, c *Control) []cloud.Job {
	t.Helper()
	list, _, err := c.Jobs(t.Context(), operator, store.Query{Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// actions returns the actions of the events so far.
func actions(t *testing.T, c *Control) map[string]int {
	t.Helper()
	out := map[string]int{}
	inTx(t, c, func(tx *store.Tx) error {
		for {
			if list, err := tx.NumberEvents(500); err != nil || len(list) == 0 {
				return err
			}
		}
	})
	list, _, err := c.EventsAfter(t.Context(), operator, 0, EventFilter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out[e.Action]++
	}
	return out
}
