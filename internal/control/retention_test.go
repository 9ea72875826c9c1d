package control

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// oldID is an id as NewID made it at the time.
func oldID(at cloud.Time) cloud.JobID {
	first := cloud.FirstID[cloud.JobID](at)
	return first + cloud.NewID[cloud.JobID]()[len(first):]
}

// oldJob is a job that ended so long ago, with one part of output.
func oldJob(t *testing.T, c *Control, j cloud.Job, ago time.Duration) cloud.JobID {
	t.Helper()
	j.ID, j.Action, j.TargetNode = oldID(cloud.Now().Add(-ago)), cloud.ActionNoop, cloud.NewID[cloud.NodeID]()
	j.Normalise()
	inTx(t, c, func(tx *store.Tx) error { return tx.InsertJobs([]*cloud.Job{&j}) })
	storetest.Exec(t, c.DB, fmt.Sprintf("UPDATE jobs SET finished_at = %d, segments = 1 WHERE id = '%s'", cloud.Now().Add(-ago), j.ID))
	if err := c.storeLog(t.Context(), wire.LogChunk{JobRef: wire.JobRef{ID: j.ID}, Data: "x\n"}); err != nil {
		t.Fatal(err)
	}
	return j.ID
}

func TestRetentionOfJobs(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		keep := map[cloud.JobID]string{
			oldJob(t, c, cloud.Job{State: cloud.JobSucceeded}, day):                                         "young",
			oldJob(t, c, cloud.Job{State: cloud.JobFailed, Retention: cloud.KeepFailures}, 2*time.Hour):     "young failure",
			oldJob(t, c, cloud.Job{State: cloud.JobSucceeded, Retention: cloud.KeepFailures}, time.Minute):  "young success",
			oldJob(t, c, cloud.Job{State: cloud.JobSucceeded, Retention: cloud.KeepLast, Key: "b"}, 50*day): "last of its key",
		}
		gone := map[cloud.JobID]string{
			oldJob(t, c, cloud.Job{State: cloud.JobSucceeded}, 31*day):                                             "old",
			oldJob(t, c, cloud.Job{State: cloud.JobSucceeded, Retention: cloud.KeepFailures}, 2*time.Hour):         "old success",
			oldJob(t, c, cloud.Job{State: cloud.JobFailed, Retention: cloud.KeepFailures}, 31*day):                 "old failure",
			oldJob(t, c, cloud.Job{State: cloud.JobSucceeded, Retention: cloud.KeepLast, Key: "a"}, 2*time.Second): "not the last of its key",
		}
		keep[oldJob(t, c, cloud.Job{State: cloud.JobFailed, Retention: cloud.KeepLast, Key: "a"}, time.Second)] = "last of key a"
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		left := map[cloud.JobID]bool{}
		for _, j := range jobsNow(t, c) {
			left[j.ID] = true
		}
		output := func(id cloud.JobID) bool {
			rd, size, err := c.Blobs.OpenSegments(t.Context(), logKey(id, 0), 0)
			if err != nil {
				t.Fatal(err)
			}
			rd.Close()
			return size > 0
		}
		for id, what := range keep {
			if !left[id] || !output(id) {
				t.Errorf("the job that is %s: row %v, output %v", what, left[id], output(id))
			}
		}
		for id, what := range gone {
			if left[id] || output(id) {
				t.Errorf("the job that is %s: row %v, output %v", what, left[id], output(id))
			}
		}
	})
}

func TestRetentionOfCredentials(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		u := &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: "ann"}
		now := cloud.Now()
		sessions, tokens := map[string]cloud.SessionID{}, map[string]cloud.TokenID{}
		inTx(t, c, func(tx *store.Tx) error {
			if err := tx.CreateUser(u); err != nil {
				return err
			}
			for name, at := range map[string]cloud.Time{
				"valid": now.Add(time.Hour), "over": now.Add(-time.Hour), "old": now.Add(-100 * 24 * time.Hour), "endless": 0,
			} {
				k := &cloud.Token{ID: cloud.NewID[cloud.TokenID](), UserID: u.ID, Name: name, Hash: "t" + name, Scope: cloud.TokenScopeFull, ExpiresAt: at}
				if err := tx.CreateToken(k); err != nil {
					return err
				}
				tokens[name] = k.ID
				if name == "endless" {
					continue
				}
				s := &cloud.Session{ID: cloud.NewID[cloud.SessionID](), UserID: u.ID, Hash: "s" + name, ExpiresAt: at}
				if err := tx.CreateSession(s); err != nil {
					return err
				}
				sessions[name] = s.ID
			}
			return tx.FinishIdempotent(u.ID, "young", "x", "r", 201, "")
		})
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		inTx(t, c, func(tx *store.Tx) error {
			for name, id := range sessions {
				if _, err := tx.Session(id); (err == nil) != (name != "old") {
					t.Errorf("session %s: %v", name, err)
				}
			}
			for name, id := range tokens {
				if _, err := tx.Token(id); (err == nil) != (name != "old") {
					t.Errorf("token %s: %v", name, err)
				}
			}
			if i, err := tx.Idempotent(u.ID, "young"); err != nil || i == nil {
				t.Errorf("young idempotency key = %v, %v, want it kept", i, err)
			}
			return nil
		})
	})
}

func TestSweepRemovesImageFilesWithoutImage(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		kept, lost := rawDisk(512), rawDisk(1024)
		upload(t, c, operator, NewImage{Name: "debian"}, kept)
		upload(t, c, operator, NewImage{Name: "lost"}, lost)
		inTx(t, c, func(tx *store.Tx) error {
			i, err := tx.ImageNamed("", "lost")
			if err != nil {
				return err
			}
			i.State, i.DeletedAt = cloud.ImageDeleted, cloud.Now()
			return tx.UpdateImage(i)
		})
		if err := c.sweepImages(t.Context(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if !hasBody(t, c, lost) {
			t.Error("a young file was removed")
		}
		if err := c.sweepImages(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if hasBody(t, c, lost) || !hasBody(t, c, kept) {
			t.Errorf("after the sweep: lost %v, kept %v", hasBody(t, c, lost), hasBody(t, c, kept))
		}
	})
}

func TestRetentionLoop(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		oldJob(t, c, cloud.Job{State: cloud.JobSucceeded}, 365*24*time.Hour)
		runLoops(t, c.retain)
		until(t, "end of the old job", func() bool { return len(jobsNow(t, c)) == 0 })
	})
}

func TestRetentionOfDeletedObjects(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		var a *cloud.Account
		var space *cloud.Cloudspace
		if _, err := c.Bootstrap(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		ids := map[string]cloud.MachineID{}
		inTx(t, c, func(tx *store.Tx) (err error) {
			if a, err = tx.AccountNamed("default"); err != nil {
				return err
			}
			if space, err = tx.CloudspaceNamed(a.ID, "default"); err != nil {
				return err
			}
			for i, name := range []string{"live", "young", "old", "left", "billed", "busy"} {
				m := &cloud.Machine{
					ID: cloud.NewID[cloud.MachineID](), AccountID: a.ID, CloudspaceID: space.ID, Name: name, State: cloud.MachineStopped,
					Address: fmt.Sprint("10.0.0.", i), MAC: fmt.Sprint("52:54:00:00:00:0", i),
				}
				if ids[name] = m.ID; tx.CreateMachine(m) != nil {
					t.Errorf("machine %s was not made", name)
				}
			}
			if err := tx.CreateOperation(&cloud.Operation{ID: cloud.NewID[cloud.OperationID](), Kind: "test", SubjectID: string(ids["busy"]), State: cloud.OperationRunning}); err != nil {
				return err
			}
			return tx.CreateLeftover(&cloud.Leftover{
				ID: cloud.NewID[cloud.LeftoverID](), NodeID: cloud.NewID[cloud.NodeID](), Kind: cloud.LeftoverMachine, ObjectID: string(ids["left"]), Reason: "test",
			})
		})
		exec := func(format string, args ...any) { storetest.Exec(t, c.DB, fmt.Sprintf(format, args...)) }
		for name, ago := range map[string]time.Duration{"young": 80 * day, "old": 91 * day, "left": 91 * day, "billed": 91 * day, "busy": 91 * day} {
			exec("UPDATE machines SET deleted_at = %d WHERE id = '%s'", cloud.Now().Add(-ago), ids[name])
		}
		exec("INSERT INTO usage_counters (machine_id, counter, hour, amount) VALUES ('%s', 'x', %d, 1)", ids["billed"], cloud.Now())
		left := func() (names []string) {
			for _, name := range []string{"live", "young", "old", "left", "billed", "busy"} {
				err := c.view(t.Context(), func(tx *store.Tx) error { _, err := tx.MachineEvenDeleted(ids[name]); return err })
				if err == nil {
					names = append(names, name)
				} else if !cloud.Is(err, cloud.NotFound) {
					t.Error(err)
				}
			}
			return names
		}
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := left(); !slices.Equal(got, []string{"live", "young", "left", "billed", "busy"}) {
			t.Errorf("left: %v", got)
		}
		exec("UPDATE leftovers SET deleted_at = 1")
		exec("DELETE FROM usage_counters")
		exec("UPDATE operations SET state = 'succeeded', finished_at = %d", cloud.Now())
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := left(); !slices.Equal(got, []string{"live", "young"}) {
			t.Errorf("left when nothing needs them: %v", got)
		}
	})
}
