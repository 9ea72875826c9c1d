package control

import (
	"context"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// What is kept how long, and how often it is looked at.
const (
	retainTick     = time.Minute
	retainLease    = 10 * time.Minute
	retainBatch    = 500
	keepSuccesses  = time.Hour // of jobs with the class failures
	keepIdempotent = 24 * time.Hour
	keepSessions   = 24 * time.Hour      // after their end
	keepTokens     = 30 * 24 * time.Hour // after their end
	sweepEvery     = 24 * time.Hour
	sweepTemporary = 48 * time.Hour // longer than the longest upload
	sweepBodies    = 24 * time.Hour
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

// retainOnce removes all that has expired by now.
func (c *Control) retainOnce(ctx context.Context) error {
	err := c.DB.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if err := tx.ForgetIdempotent(now.Add(-keepIdempotent)); err != nil {
			return err
		}
		if err := tx.ForgetSessions(now.Add(-keepSessions)); err != nil {
			return err
		}
		return tx.ForgetTokens(now.Add(-keepTokens))
	})
	for err == nil && ctx.Err() == nil {
		var n int
		if n, err = c.expireJobs(ctx); n < retainBatch {
			break
		}
	}
	return err
}

// expireJobs removes one batch of jobs, their output first: a crash between
// leaves rows, which the next look removes.
func (c *Control) expireJobs(ctx context.Context) (int, error) {
	var list []cloud.Job
	err := c.view(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		list, err = tx.ExpiredJobs(now.Add(-time.Duration(c.JobDays)*24*time.Hour), now.Add(-keepSuccesses), retainBatch)
		return err
	})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	ids := make([]cloud.JobID, len(list))
	for i, j := range list {
		ids[i] = j.ID
		if j.Segments > 0 || j.Token > 1 || j.State == cloud.JobLost { // the lost may have output that the row does not know of
			if err := c.dropLogs(ctx, j.ID, j.Token); err != nil {
				return 0, err
			}
		}
	}
	return len(list), c.DB.Update(ctx, func(tx *store.Tx) error { return tx.DeleteJobs(ids) })
}

// sweepBlobs removes what crashes left in the blob store: parts of uploads, and
// files of images that no image has.
func (c *Control) sweepBlobs(ctx context.Context) error {
	if err := c.Blobs.Sweep(ctx, sweepTemporary); err != nil {
		return err
	}
	return c.sweepImages(ctx, time.Now().Add(-sweepBodies))
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
