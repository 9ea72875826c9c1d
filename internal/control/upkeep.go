package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

const (
	upkeepTick  = 10 * time.Second
	upkeepBatch = 100
	// warnAhead is how long before the end of a deployment's time it is announced, or
	// a quarter of that time if it is short.
	warnAhead = 24 * time.Hour
)

// keepDeployments archives deployments whose time is over, with notice before, and
// cleans up archived ones that are kept no longer.
func (c *Control) keepDeployments(ctx context.Context) error {
	return c.loop(ctx, "deployment-upkeep", upkeepTick, func(ctx context.Context) error {
		return errors.Join(c.warnExpiring(ctx), c.archiveExpired(ctx), c.warnUnused(ctx), c.archiveUnused(ctx), c.cleanArchived(ctx))
	})
}

// warnExpiring announces, by an event, that deployments will be archived soon.
func (c *Control) warnExpiring(ctx context.Context) error {
	return c.DB.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		list, err := tx.ExpiringDeployments(now.Add(warnAhead), true, upkeepBatch)
		if err != nil {
			return err
		}
		for i := range list {
			d := &list[i]
			if d.ExpiresAt.Sub(now) > min(warnAhead, d.TTL/4) {
				continue
			}
			if err := tx.WarnedExpiry(d.ID, now); err != nil {
				return err
			}
			text := fmt.Sprintf("will be archived at %s, when its time to live of %s is over; give it a new one to keep it", d.ExpiresAt.Time().Format(time.RFC3339), d.TTL)
			if err := stateEvent(tx, "deployment.expires", deploymentSubject(d), text); err != nil {
				return err
			}
		}
		return nil
	})
}

// archiveExpired archives deployments whose time is over and that were announced. What
// is under way ends before: an update gives a new time to live.
func (c *Control) archiveExpired(ctx context.Context) error {
	var list []cloud.Deployment
	err := c.view(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err == nil {
			list, err = tx.ExpiringDeployments(now, false, upkeepBatch)
		}
		return err
	})
	for i := range list {
		if d := &list[i]; d.WarnedAt != 0 && !d.State.Transitional() {
			_, _, e := c.ArchiveDeployment(ctx, System("time to live"), DeploymentRef{Deployment: string(d.ID)})
			err = errors.Join(err, passed(e))
		}
	}
	return err
}

// warnUnused announces, by an event, that deployments will be archived as nobody uses them.
func (c *Control) warnUnused(ctx context.Context) error {
	return c.DB.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		list, err := tx.UnusedDeployments(now, upkeepBatch)
		if err != nil {
			return err
		}
		for i := range list {
			d := &list[i]
			p, err := tx.Project(d.ProjectID)
			if err != nil {
				return err
			}
			if err := tx.WarnedIdle(d.ID, now); err != nil {
				return err
			}
			ends := now.Add(min(warnAhead, p.IdleTTL/4))
			text := fmt.Sprintf("will be archived at %s, as nobody has used it for %s; use it, or touch it to keep it", ends.Time().Format(time.RFC3339), p.IdleTTL)
			if err := stateEvent(tx, "deployment.expires", deploymentSubject(d), text); err != nil {
				return err
			}
		}
		return nil
	})
}

// archiveUnused archives deployments that nobody used since it was announced.
func (c *Control) archiveUnused(ctx context.Context) error {
	var list []cloud.Deployment
	err := c.view(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err == nil {
			list, err = tx.IdleDeployments(now, upkeepBatch)
		}
		return err
	})
	for i := range list {
		_, _, e := c.ArchiveDeployment(ctx, System("not used"), DeploymentRef{Deployment: string(list[i].ID)})
		err = errors.Join(err, passed(e))
	}
	return err
}

// cleanArchived cleans up deployments that were archived longer ago than their
// project keeps them. One whose cleanup failed waits for somebody.
func (c *Control) cleanArchived(ctx context.Context) error {
	var at cloud.Time
	var after cloud.DeploymentID
	for {
		var list []cloud.Deployment
		err := c.view(ctx, func(tx *store.Tx) error {
			now, err := tx.Now()
			if err == nil {
				list, err = tx.ArchivedDeployments(now, at, after, upkeepBatch)
			}
			return err
		})
		if err != nil {
			return err
		}
		for i := range list {
			_, _, e := c.CleanupDeployment(ctx, System("archive retention"), DeploymentRef{Deployment: string(list[i].ID)}, false)
			if e := passed(e); e != nil {
				return e
			}
		}
		if len(list) < upkeepBatch {
			return nil
		}
		last := &list[len(list)-1]
		at, after = last.ArchivedAt, last.ID
	}
}

// passed is nil for a deployment that somebody else changed first.
func passed(err error) error {
	if cloud.Is(err, cloud.Conflict) || cloud.Is(err, cloud.NotFound) {
		return nil
	}
	return err
}

// forgetActions removes the log of deployments that are gone, project by project.
func (c *Control) forgetActions(ctx context.Context) error {
	var list []cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		list, err = allOf(tx.Projects, store.Query{Visible: store.Everything, Deleted: true})
		return err
	})
	for i := range list {
		p := &list[i]
		if p.History == 0 {
			continue
		}
		for n := int64(retainBatch); n == retainBatch && err == nil && ctx.Err() == nil; {
			err = c.DB.Update(ctx, func(tx *store.Tx) error {
				now, err := tx.Now()
				if err == nil {
					n, err = tx.ForgetActions(p.ID, now.Add(-p.History), retainBatch)
				}
				return err
			})
		}
	}
	return err
}
