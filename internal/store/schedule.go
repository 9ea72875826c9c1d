package store

import (
	"atoll/internal/cloud"
)

var schedules = table[cloud.Schedule]{
	kind: cloud.KindSchedule, name: "schedules",
	cols: append([]string{"id", "account_id", "name", "script_name", "command", "args", "node_id", "role", "all_nodes", "location_id", "every", "cron", "timezone", "jitter_ms", "miss", "timeout_ms", "paused", "next_at", "last_at", "created_by"}, metaCols...),
	ptrs: func(v *cloud.Schedule) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.Name, &v.ScriptName,
			asJSON{&v.Command},
			rawJSON{&v.Args},
			&v.Node,
			&v.Role, &v.All, &v.LocationID, &v.Every, &v.Cron, &v.TimeZone, &v.JitterMS, &v.Miss, &v.TimeoutMS,
			&v.Paused, &v.NextAt, &v.LastAt, &v.CreatedBy,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Schedule) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"name": "name", "script": "script_name"},
	account: "account_id",
}

// CreateSchedule writes a new schedule.
func (tx *Tx) CreateSchedule(v *cloud.Schedule) error { return schedules.insert(tx, v) }

// Schedule returns the schedule unless it is deleted.
func (tx *Tx) Schedule(id cloud.ScheduleID) (*cloud.Schedule, error) { return schedules.live(tx, id) }

// UpdateSchedule writes the schedule back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateSchedule(v *cloud.Schedule) error { return schedules.update(tx, v) }

// Schedules returns a page of schedules and the cursor of the next one.
func (tx *Tx) Schedules(q Query) ([]cloud.Schedule, string, error) { return schedules.list(tx, q) }

// ScheduleNamed returns the schedule by its name in the account.
func (tx *Tx) ScheduleNamed(account cloud.AccountID, name string) (*cloud.Schedule, error) {
	return schedules.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// SchedulesDue returns the schedules whose time has come, the oldest first.
func (tx *Tx) SchedulesDue(now cloud.Time, limit int) ([]cloud.Schedule, error) {
	return schedules.all(tx, "deleted_at = 0 AND NOT paused AND next_at > 0 AND next_at <= ? ORDER BY next_at LIMIT ?", now, limit)
}

// NextSchedule returns when the next schedule is due, 0 for never.
func (tx *Tx) NextSchedule() (at cloud.Time, err error) {
	err = tx.queryRow("SELECT coalesce(min(next_at), 0) FROM schedules WHERE deleted_at = 0 AND NOT paused AND next_at > 0").Scan(&at)
	return at, tx.d.translate(err)
}
