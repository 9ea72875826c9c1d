package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// Retention says how long what has ended is kept. Zero stands for the default,
// Forever for no end.
type Retention struct {
	Jobs       time.Duration // that succeeded, of the class days
	FailedJobs time.Duration // that did not, of the classes days and failures
	Successes  time.Duration // of the class failures
	Output     time.Duration // of jobs, what is beyond the row's 4 KiB; it ends with its job at the latest
	Operations time.Duration
	Events     time.Duration
	Usage      time.Duration // byte counters of machines
	Deleted    time.Duration // rows of deleted objects
	// PageRevisions is how many revisions of each page are kept.
	PageRevisions int64
	Deliveries    time.Duration // to webhooks
}

// Forever keeps.
const Forever = time.Duration(math.MaxInt64)

const day = 24 * time.Hour

func (r *Retention) complete() {
	r.PageRevisions = cmp.Or(r.PageRevisions, 100)
	for _, d := range []struct {
		of  *time.Duration
		def time.Duration
	}{
		{&r.Jobs, 30 * day},
		{&r.FailedJobs, 30 * day},
		{&r.Successes, time.Hour},
		{&r.Output, Forever},
		{&r.Operations, 90 * day},
		{&r.Events, 400 * day}, // a year, and time to look back at it
		{&r.Usage, 400 * day},
		{&r.Deleted, 90 * day},
		{&r.Deliveries, 14 * day},
	} {
		if *d.of == 0 {
			*d.of = d.def
		}
	}
}

// How often it is looked at, and how much at a time.
const (
	retainTick     = time.Minute
	retainLease    = 10 * time.Minute
	retainPass     = 5 * time.Minute // what is left then waits for the next look
	retainBatch    = 200             // rows; some milliseconds for other writers
	keepIdempotent = day
	keepSessions   = day      // after their end
	keepTokens     = 30 * day // after their end
	sweepEvery     = day
	sweepTemporary = 2 * day // longer than the longest upload
	sweepBodies    = day
)

// retain removes what is kept no longer until ctx ends; one controller does, by
// lease.
func (c *Control) retain(ctx context.Context) error {
	tick := time.NewTicker(retainTick)
	defer tick.Stop()
	var swept time.Time
	for {
		mine, err := c.lease(ctx, "retention", retainLease)
		if err == nil && mine {
			err = c.retainOnce(ctx)
		}
		if err == nil && mine && time.Since(swept) >= sweepEvery {
			swept = time.Now()
			err = c.sweepBlobs(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Error("remove what is kept no longer", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lease takes or renews a loop's lease.
func (c *Control) lease(ctx context.Context, name string, ttl time.Duration) (mine bool, err error) {
	err = c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		_, mine, err = tx.TakeLease(name, c.ID, ttl)
		return err
	})
	return mine, err
}

// retainOnce removes all that has expired by now, or as much as one pass takes.
func (c *Control) retainOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, retainPass)
	defer cancel()
	var errs []error
	for _, r := range []struct {
		what string
		keep time.Duration
		do   batch
	}{
		{"idempotency keys", keepIdempotent, c.rows((*store.Tx).ForgetIdempotent)},
		{"sessions", keepSessions, c.rows((*store.Tx).ForgetSessions)},
		{"sign-ins that came back", keepStates, c.rows((*store.Tx).ForgetStates)},
		{"tokens", keepTokens, c.rows((*store.Tx).ForgetTokens)},
		{"output of jobs", c.Retention.Output, c.output},
		{"successful jobs of the class failures", c.Retention.Successes, c.spentJobs},
		{"jobs of the class last", 0, c.jobsButLast()},
		{"jobs", min(c.Retention.Jobs, c.Retention.FailedJobs), c.oldJobs()},
		{"operations", c.Retention.Operations, c.rows((*store.Tx).ForgetOperations)},
		{"events", c.Retention.Events, c.rows((*store.Tx).ForgetEvents)},
		{"usage", c.Retention.Usage, c.rows((*store.Tx).ForgetUsage)},
		{"deleted objects", c.Retention.Deleted, c.rows((*store.Tx).ForgetDeleted)},
		{"deleted pages", c.Retention.Deleted, c.rows((*store.Tx).ForgetWikiPages)},
		{"deliveries to webhooks", c.Retention.Deliveries, c.rows((*store.Tx).ForgetDeliveries)},
	} {
		if r.keep == Forever {
			continue
		}
		if err := c.batches(ctx, r.what, r.keep, r.do); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.what, err))
		}
	}
	if err := c.forgetActions(ctx); err != nil {
		errs = append(errs, fmt.Errorf("actions: %w", err))
	}
	if ctx.Err() != nil {
		return nil // the rest waits for the next look
	}
	return errors.Join(errs...)
}

// batch removes a bounded number of rows of what was kept since before the time,
// and reports how many, and whether there may be more.
type batch func(ctx context.Context, before cloud.Time) (n int, more bool, err error)

// batches removes batch after batch, with a pause after each as long as it took:
// others have the store at least half of the time.
func (c *Control) batches(ctx context.Context, what string, keep time.Duration, do batch) error {
	now, err := c.now(ctx)
	if err != nil {
		return err
	}
	for more := true; more && ctx.Err() == nil; {
		began := time.Now()
		var n int
		if n, more, err = do(ctx, now.Add(-keep)); err != nil {
			return err
		}
		took := time.Since(began)
		if n > 0 {
			c.Log.Debug("kept no longer", "what", what, "rows", n, "took", took)
		}
		if more {
			pause := time.NewTimer(took)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			pause.Stop()
		}
	}
	return nil
}

// now returns the database's clock.
func (c *Control) now(ctx context.Context) (now cloud.Time, err error) {
	err = c.view(ctx, func(tx *store.Tx) (err error) { now, err = tx.Now(); return err })
	return now, err
}

// rows is the batch of rows that nothing else belongs to.
func (c *Control) rows(forget func(tx *store.Tx, before cloud.Time, limit int) (int, error)) batch {
	return func(ctx context.Context, before cloud.Time) (n int, more bool, err error) {
		err = c.DB.Update(ctx, func(tx *store.Tx) (err error) { n, err = forget(tx, before, retainBatch); return err })
		return n, n >= retainBatch, err
	}
}

func (c *Control) endedJobs(ctx context.Context, find func(tx *store.Tx) ([]store.EndedJob, error)) (list []store.EndedJob, more bool, err error) {
	err = c.view(ctx, func(tx *store.Tx) (err error) { list, err = find(tx); return err })
	return list, len(list) >= retainBatch, err
}

// output removes the stored output of jobs whose rows stay.
func (c *Control) output(ctx context.Context, before cloud.Time) (n int, more bool, err error) {
	list, more, err := c.endedJobs(ctx, func(tx *store.Tx) ([]store.EndedJob, error) { return tx.JobsWithOutput(before, retainBatch) })
	if err != nil {
		return 0, false, err
	}
	ids, err := c.dropOutput(ctx, list)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	return len(ids), more, c.DB.Update(ctx, func(tx *store.Tx) error { return tx.DropSegments(ids) })
}

// spentJobs removes successes of the class failures.
func (c *Control) spentJobs(ctx context.Context, before cloud.Time) (n int, more bool, err error) {
	list, more, err := c.endedJobs(ctx, func(tx *store.Tx) ([]store.EndedJob, error) { return tx.SpentJobs(before, retainBatch) })
	if err != nil {
		return 0, false, err
	}
	return len(list), more, c.deleteJobs(ctx, list)
}

// jobsButLast removes jobs of the class last, but for the newest of each key. It
// reads one row for each key that it keeps.
func (c *Control) jobsButLast() batch {
	var last store.EndedJob
	return func(ctx context.Context, _ cloud.Time) (n int, more bool, err error) {
		list, more, err := c.endedJobs(ctx, func(tx *store.Tx) ([]store.EndedJob, error) {
			return tx.EndedByKey(last.Key, last.ID, retainBatch)
		})
		if err != nil {
			return 0, false, err
		}
		var old []store.EndedJob
		for _, j := range list {
			if last.Key == j.Key {
				old = append(old, last) // that of the batch before may be among them
			}
			last = j
		}
		return len(old), more, c.deleteJobs(ctx, old)
	}
}

// oldJobs removes what the days are over of. It goes over the jobs that were made
// before then, nearly all of which it removes: what stays are the last ones of
// their keys, failures if they are kept longer, and what waits for its node.
func (c *Control) oldJobs() batch {
	var after cloud.JobID
	return func(ctx context.Context, before cloud.Time) (n int, more bool, err error) {
		list, more, err := c.endedJobs(ctx, func(tx *store.Tx) ([]store.EndedJob, error) {
			return tx.JobsMadeBefore(before, after, retainBatch)
		})
		if err != nil || len(list) == 0 {
			return 0, false, err
		}
		after = list[len(list)-1].ID
		now, err := c.now(ctx)
		if err != nil {
			return 0, false, err
		}
		list = slices.DeleteFunc(list, func(j store.EndedJob) bool { return !c.Retention.over(&j, now) })
		return len(list), more, c.deleteJobs(ctx, list)
	}
}

// over reports whether a job's days are over.
func (r *Retention) over(j *store.EndedJob, now cloud.Time) bool {
	keep := r.FailedJobs
	if j.State == cloud.JobSucceeded && j.Retention == cloud.KeepDays {
		keep = r.Jobs
	}
	return j.FinishedAt > 0 && j.Retention != cloud.KeepLast && now.Sub(j.FinishedAt) > keep
}

// deleteJobs removes jobs, their output first: a crash between leaves rows, which
// the next look removes.
func (c *Control) deleteJobs(ctx context.Context, list []store.EndedJob) error {
	ids, err := c.dropOutput(ctx, list)
	if err != nil || len(ids) == 0 {
		return err
	}
	return c.DB.Update(ctx, func(tx *store.Tx) error { return tx.DeleteJobs(ids) })
}

// dropOutput removes the stored output of jobs and returns their ids.
func (c *Control) dropOutput(ctx context.Context, list []store.EndedJob) ([]cloud.JobID, error) {
	ids := make([]cloud.JobID, len(list))
	for i, j := range list {
		ids[i] = j.ID
		if j.Segments > 0 || j.Token > 1 || j.State == cloud.JobLost { // the lost may have output that the row does not know of
			if err := c.dropLogs(ctx, j.ID, j.Token); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

// sweepBlobs removes what crashes and failed uploads left in the blob store: parts of
// uploads, and bodies that no image and no bundle has.
func (c *Control) sweepBlobs(ctx context.Context) error {
	if err := c.Blobs.Sweep(ctx, sweepTemporary); err != nil {
		return err
	}
	before := time.Now().Add(-sweepBodies)
	return errors.Join(c.sweepImages(ctx, before), c.sweepBundles(ctx, before))
}

// sweepBundles removes archives older than the time that no version of a project's
// control scripts has: those of uploads that were refused or cut off. One that is
// uploaded again is new.
func (c *Control) sweepBundles(ctx context.Context, before time.Time) error {
	for e, err := range c.Blobs.List(ctx, bundlePrefix+"/") {
		if err != nil {
			return err
		}
		sum := e.Key[strings.LastIndexByte(e.Key, '/')+1:]
		if e.ModifiedAt.After(before) || len(sum) < 2 || e.Key != bundleKey(sum) {
			continue
		}
		var used bool
		if err := c.view(ctx, func(tx *store.Tx) (err error) { used, err = tx.BundleBodyUsed(sum); return err }); err != nil {
			return err
		}
		if !used {
			if err := c.Blobs.Delete(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepImages removes files older than the time that no image needs.
func (c *Control) sweepImages(ctx context.Context, before time.Time) error {
	for e, err := range c.Blobs.List(ctx, imagePrefix+"/") {
		if err != nil {
			return err
		}
		sum := e.Key[strings.LastIndexByte(e.Key, '/')+1:]
		if e.ModifiedAt.After(before) || e.Key != imageKey(sum) {
			continue
		}
		var used bool
		err := c.view(ctx, func(tx *store.Tx) (err error) { used, err = tx.ImageBodyUsed(sum); return err })
		if err != nil {
			return err
		}
		if !used {
			c.dropImageBody(ctx, sum)
		}
	}
	return nil
}
