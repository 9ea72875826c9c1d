package store

import (
	"fmt"

	"atoll/internal/cloud"
)

// Each method of this file removes, or finds, at most limit rows, by an index: it
// never reads what is kept, and other writers wait for one batch at most.

// forget removes rows of a table by the keys that the query finds.
func (tx *Tx) forget(table, keys, query string, args ...any) (int, error) {
	n, err := tx.exec(fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (%s)", table, keys, query), args...)
	return int(n), err
}

// ForgetIdempotent removes Idempotency-Keys from before the time.
func (tx *Tx) ForgetIdempotent(before cloud.Time, limit int) (int, error) {
	return tx.forget("idempotency_keys", "user_id, key",
		"SELECT user_id, key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?", before, limit)
}

// ForgetSessions removes sessions that ended before the time.
func (tx *Tx) ForgetSessions(before cloud.Time, limit int) (int, error) {
	return tx.forget("sessions", "id", `SELECT id FROM sessions WHERE expires_at < ?
		UNION ALL SELECT id FROM sessions WHERE deleted_at > 0 AND deleted_at < ? AND expires_at >= ? LIMIT ?`, before, before, before, limit)
}

// ForgetTokens removes tokens that expired or were deleted before the time.
func (tx *Tx) ForgetTokens(before cloud.Time, limit int) (int, error) {
	return tx.forget("tokens", "id", `SELECT id FROM tokens WHERE expires_at > 0 AND expires_at < ?
		UNION ALL SELECT id FROM tokens WHERE deleted_at > 0 AND deleted_at < ? AND (expires_at = 0 OR expires_at >= ?) LIMIT ?`, before, before, before, limit)
}

// ForgetOperations removes operations that ended before the time.
func (tx *Tx) ForgetOperations(before cloud.Time, limit int) (int, error) {
	return tx.forget("operations", "id",
		"SELECT id FROM operations WHERE finished_at > 0 AND finished_at < ? ORDER BY finished_at, id LIMIT ?", before, limit)
}

// ForgetUsage removes the byte counters of hours before the time.
func (tx *Tx) ForgetUsage(before cloud.Time, limit int) (int, error) {
	return tx.forget("usage_counters", "machine_id, counter, hour",
		"SELECT machine_id, counter, hour FROM usage_counters WHERE hour < ? ORDER BY hour LIMIT ?", before, limit)
}

// settingForgotten holds the number and the hash of the last event that is no
// longer there: the chain of those that are begins with it.
const settingForgotten = "events.forgotten"

// ForgetEvents removes the oldest events, those from before the time, in the
// order of their numbers. The newest one always stays: the next is chained to it.
func (tx *Tx) ForgetEvents(before cloud.Time, limit int) (int, error) {
	list, err := events.all(tx, "seq > 0 ORDER BY seq LIMIT ?", limit+1)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(list)-1 && list[n].At < before {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	last := &list[n-1]
	if err := tx.SetSetting(settingForgotten, fmt.Sprint(last.Seq, " ", last.Hash)); err != nil {
		return 0, err
	}
	_, err = tx.exec("DELETE FROM events WHERE seq > 0 AND seq <= ?", last.Seq)
	return n, err
}

// ForgottenEvents returns the number and the hash of the last event that was
// removed, 0 and "" if none was.
func (tx *Tx) ForgottenEvents() (seq int64, hash string, err error) {
	text, err := tx.Setting(settingForgotten)
	if err != nil || text == "" {
		return 0, "", err
	}
	if _, err := fmt.Sscanf(text, "%d %s", &seq, &hash); err != nil {
		return 0, "", fmt.Errorf("setting %s: %w", settingForgotten, err)
	}
	return seq, hash, nil
}

// forgettable are the kinds whose deleted rows are removed after a while: those that
// no other row needs. Of accounts, cloudspaces, users, nodes, images and scripts
// the rows stay, which are few, and to which history refers.
var forgettable = []struct{ table, unless string }{
	{"machines", "EXISTS (SELECT 1 FROM usage_counters u WHERE u.machine_id = t.id)"}, // bills read them
	{"disks", ""},
	{"port_forwards", ""},
	{"ssh_keys", ""},
	{"schedules", ""},
	{"memberships", ""},
	{"leftovers", ""},
	{"webhooks", ""},
}

// ForgetDeleted removes objects that were deleted before the time, unless a node
// still holds something of them or an operation is under way on them.
func (tx *Tx) ForgetDeleted(before cloud.Time, limit int) (n int, err error) {
	for _, f := range forgettable {
		query := "SELECT id FROM " + f.table + ` t WHERE deleted_at > 0 AND deleted_at < ?
			AND NOT EXISTS (SELECT 1 FROM leftovers l WHERE l.object_id = t.id AND l.deleted_at = 0)
			AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.subject_id = t.id AND o.state IN ('running', 'undoing'))`
		if f.unless != "" {
			query += " AND NOT " + f.unless
		}
		gone, err := tx.forget(f.table, "id", query+" ORDER BY deleted_at LIMIT ?", before, limit-n)
		if err != nil {
			return n, err
		}
		if n += gone; n >= limit {
			break
		}
	}
	return n, nil
}

// EndedJob is what retention needs to know of a job.
type EndedJob struct {
	ID         cloud.JobID
	Key        string
	State      cloud.JobState
	Retention  cloud.Retention
	Token      int64
	Segments   int64
	FinishedAt cloud.Time
}

func (tx *Tx) endedJobs(where string, args ...any) ([]EndedJob, error) {
	var out []EndedJob
	err := tx.query(func(scan func(...any) error) error {
		var j EndedJob
		err := scan(&j.ID, &j.Key, &j.State, &j.Retention, &j.Token, &j.Segments, &j.FinishedAt)
		out = append(out, j)
		return err
	}, "SELECT id, key, state, retention, token, segments, finished_at FROM jobs WHERE "+where, args...)
	return out, err
}

// JobsMadeBefore returns the jobs after the id that were made before the time, the
// oldest first, whether they ended or not.
func (tx *Tx) JobsMadeBefore(before cloud.Time, after cloud.JobID, limit int) ([]EndedJob, error) {
	return tx.endedJobs("id > ? AND id < ? ORDER BY id LIMIT ?", after, cloud.FirstID[cloud.JobID](before), limit)
}

// SpentJobs returns successes of the class failures from before the time.
func (tx *Tx) SpentJobs(before cloud.Time, limit int) ([]EndedJob, error) {
	return tx.endedJobs("retention = 'failures' AND state = 'succeeded' AND finished_at < ? ORDER BY finished_at, id LIMIT ?", before, limit)
}

// EndedByKey returns the finished jobs of the class last after that of the key and
// id, by key and age.
func (tx *Tx) EndedByKey(key string, after cloud.JobID, limit int) ([]EndedJob, error) {
	return tx.endedJobs("retention = 'last' AND finished_at > 0 AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?", key, after, limit)
}

// KeepNoLast has the last job of a key be kept no longer than others: there will be
// no newer one.
func (tx *Tx) KeepNoLast(key string) error {
	_, err := tx.exec("UPDATE jobs SET retention = 'days' WHERE key = ? AND retention = 'last'", key)
	return err
}

// JobsWithOutput returns jobs with stored output that ended before the time.
func (tx *Tx) JobsWithOutput(before cloud.Time, limit int) ([]EndedJob, error) {
	return tx.endedJobs("segments > 0 AND finished_at > 0 AND finished_at < ? ORDER BY finished_at, id LIMIT ?", before, limit)
}

// DeleteJobs removes finished jobs.
func (tx *Tx) DeleteJobs(ids []cloud.JobID) error {
	return tx.eachID("DELETE FROM jobs WHERE finished_at > 0 AND ", ids)
}

// DropSegments records that the output segments of jobs are gone.
func (tx *Tx) DropSegments(ids []cloud.JobID) error {
	return tx.eachID("UPDATE jobs SET segments = 0 WHERE ", ids)
}

func (tx *Tx) eachID(query string, ids []cloud.JobID) error {
	if len(ids) == 0 {
		return nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = string(id)
	}
	_, err := tx.exec(query+in("id", len(ids)), args...)
	return err
}
