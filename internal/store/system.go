package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"atoll/internal/cloud"
)

// Setting returns a value of the installation, "" if it is not set.
func (tx *Tx) Setting(key string) (value string, err error) {
	err = tx.queryRow("SELECT value FROM settings WHERE key = ?", key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, tx.d.translate(err)
}

// SetSetting sets a value of the installation.
func (tx *Tx) SetSetting(key, value string) error {
	_, err := tx.exec("INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}

// Next returns the next value of a counter.
func (tx *Tx) Next(counter string) (n int64, err error) {
	err = tx.queryRow("INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value", counter).Scan(&n)
	return n, tx.d.translate(err)
}

// SetCounter sets what a counter has given last.
func (tx *Tx) SetCounter(counter string, value int64) error {
	_, err := tx.exec("UPDATE counters SET value = ? WHERE name = ?", value, counter)
	return err
}

// TakeLease takes or renews the named lease for the owner, by the database's
// clock. It reports the epoch, and whether the owner has it.
func (tx *Tx) TakeLease(name string, owner cloud.ControllerID, ttl time.Duration) (epoch int64, ok bool, err error) {
	now, err := tx.Now()
	if err != nil {
		return 0, false, err
	}
	_, err = tx.exec("INSERT INTO leases (name, owner, epoch, until) VALUES (?, '', 0, 0) ON CONFLICT DO NOTHING", name)
	if err != nil {
		return 0, false, err
	}
	n, err := tx.exec(`UPDATE leases SET epoch = CASE WHEN owner = ? THEN epoch ELSE epoch + 1 END, owner = ?, until = ?
		WHERE name = ? AND (owner = ? OR until < ?)`, owner, owner, now.Add(ttl), name, owner, now)
	if err != nil || n == 0 {
		return 0, false, err
	}
	err = tx.queryRow("SELECT epoch FROM leases WHERE name = ?", name).Scan(&epoch)
	return epoch, err == nil, tx.d.translate(err)
}

// DropLeases ends the owner's leases at once, when a controller stops.
func (tx *Tx) DropLeases(owner cloud.ControllerID) error {
	_, err := tx.exec("UPDATE leases SET until = 0 WHERE owner = ?", owner)
	return err
}

// EndLeasesOfOthers ends what earlier controllers held and forgets them, for the
// one that may be sure that none of them lives.
func (tx *Tx) EndLeasesOfOthers(me cloud.ControllerID) error {
	for _, query := range []string{
		"UPDATE leases SET until = 0 WHERE owner <> ?",
		"UPDATE operations SET lease_until = 0 WHERE state IN ('running', 'undoing') AND owner <> ?",
		"DELETE FROM controllers WHERE id <> ?",
	} {
		if _, err := tx.exec(query, me); err != nil {
			return err
		}
	}
	return nil
}

// SeenController records that a controller lives and where others reach it.
func (tx *Tx) SeenController(id cloud.ControllerID, advertise string) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO controllers (id, advertise, seen_at) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET advertise = excluded.advertise, seen_at = excluded.seen_at`, id, advertise, now)
	return err
}

// ControllersSince returns the controllers that were seen since the time.
func (tx *Tx) ControllersSince(since cloud.Time) ([]cloud.ControllerID, error) {
	var out []cloud.ControllerID
	err := tx.query(func(scan func(...any) error) error {
		var id cloud.ControllerID
		err := scan(&id)
		out = append(out, id)
		return err
	}, "SELECT id FROM controllers WHERE seen_at >= ? ORDER BY id", since)
	return out, err
}

// ControllerAddresses returns where the controllers that were seen since the time
// are reached by others and by agents.
func (tx *Tx) ControllerAddresses(since cloud.Time) ([]string, error) {
	var out []string
	err := tx.query(func(scan func(...any) error) error {
		var advertise string
		err := scan(&advertise)
		out = append(out, advertise)
		return err
	}, "SELECT advertise FROM controllers WHERE seen_at >= ?", since)
	return out, err
}

// ForgetControllersBefore removes controllers that were not seen since the time.
func (tx *Tx) ForgetControllersBefore(since cloud.Time) error {
	_, err := tx.exec("DELETE FROM controllers WHERE seen_at < ?", since)
	return err
}

// ForgetController removes a controller that stops.
func (tx *Tx) ForgetController(id cloud.ControllerID) error {
	_, err := tx.exec("DELETE FROM controllers WHERE id = ?", id)
	return err
}

// HoldNode records that the controller holds the node's exchange and returns the epoch.
func (tx *Tx) HoldNode(node cloud.NodeID, c cloud.ControllerID, session string) (epoch int64, err error) {
	err = tx.queryRow(`INSERT INTO node_connections (node_id, controller_id, epoch, session) VALUES (?, ?, 1, ?)
		ON CONFLICT (node_id) DO UPDATE SET epoch = node_connections.epoch + 1, controller_id = excluded.controller_id, session = excluded.session
		RETURNING epoch`, node, c, session).Scan(&epoch)
	return epoch, tx.d.translate(err)
}

// HoldsNode reports whether the node's newest session is that one, held by the
// controller. The row stays as it is until the transaction ends.
func (tx *Tx) HoldsNode(node cloud.NodeID, c cloud.ControllerID, session string) (bool, error) {
	query := "SELECT count(*) FROM node_connections WHERE node_id = ? AND controller_id = ? AND session = ?"
	if !tx.d.sqlite {
		query = "SELECT count(*) FROM (SELECT 1 FROM node_connections WHERE node_id = ? AND controller_id = ? AND session = ? FOR SHARE) n"
	}
	var n int
	err := tx.queryRow(query, node, c, session).Scan(&n)
	return n == 1, tx.d.translate(err)
}

// HolderOf returns the controller that holds the node's exchange and where it is reached.
func (tx *Tx) HolderOf(node cloud.NodeID) (c cloud.ControllerID, advertise string, err error) {
	err = tx.queryRow(`SELECT n.controller_id, coalesce(c.advertise, '') FROM node_connections n
		LEFT JOIN controllers c ON c.id = n.controller_id WHERE n.node_id = ?`, node).Scan(&c, &advertise)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", cloud.Errorf(cloud.Unavailable, "node %s is not connected", node)
	}
	return c, advertise, tx.d.translate(err)
}

// Notify wakes the other controllers after the commit.
func (tx *Tx) Notify() { tx.notify = !tx.d.sqlite }

// MaxTold bounds what one Tell says, in bytes: PostgreSQL takes no 8,000.
const MaxTold = 7900

// Tell tells the other controllers a text of MaxTold bytes at most after the
// commit. A commit that tells waits for those before it that do, so that it is not
// for what there may be thousands of in a second.
func (tx *Tx) Tell(text string) {
	if tx.pg != nil {
		tx.pg.later("SELECT pg_notify('"+toldChannel+"', $1)", []any{tx.pg.db.id + " " + text})
	}
}

// Stuck is an object in a transitional state without a live operation.
type Stuck struct {
	Kind  cloud.Kind
	ID    string
	State string
}

// StuckObjects returns the objects in a transitional state without a live
// operation: always none, which every test and the health check assert.
func (tx *Tx) StuckObjects() ([]Stuck, error) {
	var out []Stuck
	for _, k := range []struct {
		kind   cloud.Kind
		table  string
		states []any
	}{
		{cloud.KindMachine, "machines", []any{"creating", "starting", "stopping", "rebooting", "resizing", "deleting"}},
		{cloud.KindDisk, "disks", []any{"creating", "resizing", "deleting"}},
		{cloud.KindPortForward, "port_forwards", []any{"creating", "deleting"}},
		{cloud.KindCloudspace, "cloudspaces", []any{"deleting"}},
		{cloud.KindImage, "images", []any{"creating"}},
		{cloud.KindDeployment, "deployments", []any{"CreatePending", "UpdatePending", "DeletePending"}},
	} {
		err := tx.query(func(scan func(...any) error) error {
			s := Stuck{Kind: k.kind}
			err := scan(&s.ID, &s.State)
			out = append(out, s)
			return err
		}, fmt.Sprintf(`SELECT t.id, t.state FROM %s t WHERE t.deleted_at = 0 AND %s AND NOT EXISTS (
			SELECT 1 FROM operations o WHERE o.id = t.operation_id AND o.state IN ('running', 'undoing'))`, k.table, in("t.state", len(k.states))), k.states...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
