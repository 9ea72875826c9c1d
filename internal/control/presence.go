package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// forgetAfter is how long the row of a controller that was killed is kept.
const forgetAfter = time.Hour

// arrive records this controller, and refuses to be the second one where blobs
// are in a folder that the others do not see. A killed controller counts as
// running until its lease is over, which is waited for.
func (c *Control) arrive(ctx context.Context) error {
	for end := time.Now().Add(c.Lease + c.presenceEvery()); ; {
		other, err := c.otherController(ctx)
		if err != nil || other == "" || ctx.Err() != nil {
			return err
		}
		if time.Now().After(end) {
			return cloud.FieldErrorf("blobs", "another controller (%s) uses this database: several need blobs that all of them see, such as s3://…, or blobs-shared if the folder is on a file system that the hosts share", other)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// otherController returns a controller that is in the way of this one; without
// one this one is recorded. SQLite's file has one controller, so that older rows
// are of ones that are gone, and what they held is free.
func (c *Control) otherController(ctx context.Context) (other cloud.ControllerID, err error) {
	err = c.DB.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		list, err := tx.ControllersSince(now.Add(-c.Lease))
		if err != nil {
			return err
		}
		if len(list) > 0 && c.DB.Shared() && !c.Blobs.Shared() && !c.SharedBlobs {
			other = list[0]
			return nil
		}
		if !c.DB.Shared() {
			if err := tx.EndLeasesOfOthers(c.ID); err != nil {
				return err
			}
		}
		if err := tx.ForgetControllersBefore(now.Add(-forgetAfter)); err != nil {
			return err
		}
		if err := tx.SeenController(c.ID, c.Advertise); err != nil {
			return err
		}
		return c.showKeys(tx)
	})
	return other, err
}

func (c *Control) presenceEvery() time.Duration { return min(c.Lease/6, 5*time.Second) }

// stayPresent tells the others that this controller lives, until ctx ends.
func (c *Control) stayPresent(ctx context.Context) error {
	tick := time.NewTicker(c.presenceEvery())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return c.DB.Update(end, func(tx *store.Tx) error {
				return errors.Join(tx.ForgetController(c.ID), tx.DropLeases(c.ID))
			})
		case <-tick.C:
			added := c.rereadKeys()
			if err := c.present(ctx); err != nil && ctx.Err() == nil {
				c.Log.Error("tell that this controller lives", "err", err)
			}
			if added {
				c.loops.Signal("master-key")
			}
		}
	}
}

// present tells the others that this controller lives, and looks which of them do.
func (c *Control) present(ctx context.Context) error {
	var peers []cloud.ControllerID
	err := c.DB.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if peers, err = tx.ControllersSince(now.Add(-c.Lease)); err != nil {
			return err
		}
		return errors.Join(tx.SeenController(c.ID, c.Advertise), tx.HasKeys(c.ID, strings.Join(c.Keys.IDs(), " ")))
	})
	if err == nil {
		c.notices.alive(peers)
	}
	return err
}

// Unsound is what must never be found: objects stuck between two states, and
// balances that differ from their entries.
type Unsound struct {
	Stuck      []store.Stuck
	Unbalanced []cloud.Balance
}

// Soundness looks for what must never be.
func (c *Control) Soundness(ctx context.Context) (u Unsound, err error) {
	err = c.view(ctx, func(tx *store.Tx) (err error) {
		if u.Stuck, err = tx.StuckObjects(); err != nil {
			return err
		}
		u.Unbalanced, err = tx.Unbalanced()
		return err
	})
	return u, err
}

// watchSoundness looks once an hour, and tells operators by an event and in the
// log.
func (c *Control) watchSoundness(ctx context.Context) error {
	return c.loop(ctx, "soundness", time.Hour, func(ctx context.Context) error {
		u, err := c.Soundness(ctx)
		if err != nil || len(u.Stuck)+len(u.Unbalanced) == 0 {
			return err
		}
		c.Log.Error("unsound state: this is a defect", "stuck", u.Stuck, "unbalanced", u.Unbalanced)
		return c.DB.Update(ctx, func(tx *store.Tx) error {
			return tx.AddEvent(&cloud.Event{
				Class: cloud.ClassState, Actor: "system", ActorName: "system", SubjectKind: cloud.KindInstallation, SubjectID: "installation",
				SubjectName: "installation", Action: "installation.unsound", Outcome: cloud.OutcomeFailed,
				Message: "objects are stuck or balances differ from their entries; the controller's log names them",
			})
		})
	})
}
