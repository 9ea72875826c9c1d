package control

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// batchLog keeps what retention says of its batches.
type batchLog struct {
	slog.Handler
	mu   sync.Mutex
	rows map[string]int64
	most int64
	took time.Duration // the longest
}

func (l *batchLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *batchLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "kept no longer" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var what string
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "what":
			what = a.Value.String()
		case "rows":
			l.rows[what] += a.Value.Int64()
			l.most = max(l.most, a.Value.Int64())
		case "took":
			l.took = max(l.took, a.Value.Duration())
		}
		return true
	})
	return nil
}

// fill inserts n rows, each as row makes it, some at a time.
func fill(t *testing.T, db *store.DB, table, columns string, n int, row func(i int) string) {
	t.Helper()
	const part = 2000
	for i := 0; i < n; i += part {
		var rows []string
		for k := i; k < min(n, i+part); k++ {
			rows = append(rows, "("+row(k)+")")
		}
		storetest.Exec(t, db, fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", table, columns, strings.Join(rows, ",")))
	}
}

const jobColumns = `id, account_id, cloudspace_id, state, action, script_id, args, target_node, target_role, target_location, queue, priority, key,
	timeout_ms, max_attempts, attempt, idempotent, run_as, retention, subject_kind, subject_id, operation_id, step, schedule_id, created_by, lane, node_id,
	token, cancel_asked, exit_code, result, output, output_bytes, segments, stats, error, simulated, created_at, leased_at, started_at, finished_at`

func jobRow(at cloud.Time, state cloud.JobState, class cloud.Retention, key string, finished cloud.Time) string {
	return fmt.Sprintf(`'%s', '', '', '%s', 'noop', '', '', '', 'compute', '', 'default', 0, '%s', 1, 1, 1, TRUE, 'root', '%s', '', '', '', '', '', '', 'x', '',
		1, FALSE, 0, '', 'some output', 11, 0, '', '', FALSE, %d, %d, %d, %d`, oldID(at), state, key, class, at, at, at, finished)
}

func TestRetentionWorksInBoundedBatches(t *testing.T) {
	t.Parallel()
	const many = 12_000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log := &batchLog{Handler: slog.DiscardHandler, rows: map[string]int64{}}
		c := newCatalog(t, db, func(cfg *Config) { cfg.Log = slog.New(log) })
		now := cloud.Now()
		old := now.Add(-100 * day)
		fill(t, db, "jobs", jobColumns, many, func(i int) string {
			at := old.Add(time.Duration(i) * time.Minute)
			return jobRow(at, cloud.JobSucceeded, cloud.KeepDays, "", at.Add(time.Second))
		})
		fill(t, db, "jobs", jobColumns, 1000, func(i int) string { // spent
			at := now.Add(-2*time.Hour - time.Duration(i)*time.Second)
			return jobRow(at, cloud.JobSucceeded, cloud.KeepFailures, "", at)
		})
		fill(t, db, "jobs", jobColumns, 1000, func(i int) string { // of ten keys
			at := now.Add(-time.Duration(i) * time.Second)
			return jobRow(at, cloud.JobSucceeded, cloud.KeepLast, fmt.Sprint("key ", i%10), at)
		})
		fill(t, db, "jobs", jobColumns, 500, func(i int) string { // stay: young, or waiting for their node
			if i%2 == 0 {
				return jobRow(now.Add(-time.Hour), cloud.JobSucceeded, cloud.KeepDays, "", now.Add(-time.Hour))
			}
			return jobRow(old, cloud.JobQueued, cloud.KeepDays, "", 0)
		})
		fill(t, db, "idempotency_keys", "user_id, key, request_hash, status, body, created_at", 1000, func(i int) string {
			return fmt.Sprintf("'u', 'k%d', 'h', 201, '', %d", i, old)
		})

		// Somebody else writes meanwhile, and is never kept waiting for long.
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var writes int
		var slowest time.Duration
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("other", fmt.Sprint(writes)) })
				if err != nil {
					t.Error(err)
					return
				}
				slowest = max(slowest, time.Since(began))
				writes++
			}
		})
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop()
		wg.Wait()
		t.Logf("rows %v; the largest batch %d rows, the slowest %s; %d other writes, the slowest %s", log.rows, log.most, log.took, writes, slowest)
		for what, want := range map[string]int64{
			"jobs": many, "successful jobs of the class failures": 1000, "jobs of the class last": 990, "idempotency keys": 1000,
		} {
			if log.rows[what] != want {
				t.Errorf("%d %s were removed, want %d", log.rows[what], what, want)
			}
		}
		if log.most > retainBatch+1 || log.took > 5*time.Second || slowest > 5*time.Second {
			t.Error("a batch was too large")
		}
		if batches := int(many / retainBatch); writes < batches {
			t.Errorf("%d other writes while %d batches were removed: they had to wait", writes, batches)
		}
		if left := count(t, c, "jobs"); left != 510 {
			t.Errorf("%d jobs are left, want 510", left)
		}
	})
}

// count counts a table's rows.
func count(t *testing.T, c *Control, table string) (n int) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) (err error) { n, err = store.CountForTest(tx, table); return err })
	return n
}

func TestRetentionOfOperationsUsageAndOutput(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		now := cloud.Now()
		fill(t, c.DB, "operations", `id, kind, account_id, cloudspace_id, subject_kind, subject_id, subject_name, state, step, step_name, attempt, steps,
			progress, message, input, data, error, error_kind, cancel_asked, retry_of, created_by, request_id, owner, epoch, lease_until, deadline, wake_at,
			finished_at, created_at, updated_at, deleted_at, version`, 3, func(i int) string {
			finished := []cloud.Time{now.Add(-91 * day), now.Add(-89 * day), 0}[i]
			return fmt.Sprintf(`'%s', 'x', '', '', 'machine', 'm', 'm', '%s', 1, '', 1, 1, 0, '', '', '', '', '', FALSE, '', '', '', '', 1, 0, 0, 0, %d, 1, 1, 0, 1`,
				cloud.NewID[string](), []string{"succeeded", "failed", "running"}[i], finished)
		})
		fill(t, c.DB, "usage_counters", "machine_id, counter, hour, amount", 2, func(i int) string {
			return fmt.Sprintf("'m', 'rx_bytes', %d, 1", []cloud.Time{now.Add(-401 * day), now.Add(-399 * day)}[i])
		})
		c.Retention.Output = 2 * day
		young := oldJob(t, c, cloud.Job{State: cloud.JobSucceeded}, day)
		old := oldJob(t, c, cloud.Job{State: cloud.JobFailed}, 3*day)
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ops, usage := count(t, c, "operations"), count(t, c, "usage_counters"); ops != 2 || usage != 1 {
			t.Errorf("%d operations and %d counters are left, want 2 and 1", ops, usage)
		}
		for _, j := range jobsNow(t, c) {
			want := map[cloud.JobID]int64{young: 1, old: 0}[j.ID]
			_, size, err := c.Blobs.OpenSegments(t.Context(), logKey(j.ID, j.Token), 0)
			if err != nil || (size > 0) != (want > 0) || j.Segments != want {
				t.Errorf("job %s: %d segments, %d bytes, %v; want %d segments", j.ID, j.Segments, size, err, want)
			}
		}
		if n := count(t, c, "jobs"); n != 2 {
			t.Errorf("%d jobs are left, want 2", n)
		}
	})
}

func TestRetentionOfEventsKeepsTheChain(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		const all, old = 700, 450
		number := func() {
			t.Helper()
			inTx(t, c, func(tx *store.Tx) error { _, err := tx.NumberEvents(10 * all); return err })
		}
		add := func() {
			t.Helper()
			inTx(t, c, func(tx *store.Tx) error {
				return tx.AddEvent(&cloud.Event{Class: cloud.ClassAPI, Action: "x", Outcome: cloud.OutcomeOK})
			})
		}
		for range all {
			add()
		}
		n := 0 // their time is part of their hash: make them old before they are numbered
		inTx(t, c, func(tx *store.Tx) (err error) { n, err = store.CountForTest(tx, "events"); return err })
		storetest.Exec(t, c.DB, fmt.Sprintf("UPDATE events SET at = %d WHERE id IN (SELECT id FROM events ORDER BY id LIMIT %d)", cloud.Now().Add(-500*day), old))
		number()
		verify := func(wantEvents int) {
			t.Helper()
			v, err := c.VerifyEvents(t.Context(), operator)
			if err != nil || !v.OK || v.Events != int64(wantEvents) {
				t.Errorf("verification = %+v, %v, want %d events that hold", v, err, wantEvents)
			}
		}
		verify(n)
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		verify(n - old)
		add()
		number()
		verify(n - old + 1)

		// Whoever was away for too long is told; from the beginning is from what is left.
		follow := func(after int64) ([]cloud.Event, error) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var got []cloud.Event
			err := c.FollowEvents(ctx, operator, Following{
				After:   after,
				Send:    func(list []cloud.Event, _ []Notice) error { got = append(got, list...); cancel(); return nil },
				Recheck: func(context.Context) (*Request, error) { return operator, nil },
			})
			return got, err
		}
		if _, err := follow(old - 1); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("follow what is gone = %v, want not found", err)
		}
		for _, after := range []int64{0, old} {
			if got, err := follow(after); err != nil || len(got) == 0 || got[0].Seq != old+1 {
				t.Errorf("follow after %d = %d events, %v, want from %d on", after, len(got), err, old+1)
			}
		}

		// All are old: the newest stays, which the next is chained to.
		c.Retention.Events = time.Nanosecond
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, c, "events"); n != 1 {
			t.Errorf("%d events are left, want 1", n)
		}
		add()
		number()
		verify(2)
		storetest.Exec(t, c.DB, "DELETE FROM events WHERE seq = (SELECT min(seq) FROM events)")
		if v, err := c.VerifyEvents(t.Context(), operator); err != nil || v.OK || v.Reason != "the row is missing" {
			t.Errorf("verification without a row = %+v, %v", v, err)
		}
	})
}
