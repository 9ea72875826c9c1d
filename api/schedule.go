package api

import "encoding/json"

// Schedule makes jobs by period or cron.
type Schedule struct {
	ID         string          `json:"id"`
	AccountID  string          `json:"account_id,omitempty"`
	Name       string          `json:"name" example:"nightly"`
	Script     string          `json:"script,omitempty" doc:"Name of the script; its current revision runs."`
	Command    []string        `json:"command,omitempty"`
	Args       json.RawMessage `json:"args,omitempty"`
	NodeID     string          `json:"node_id,omitempty"`
	Role       string          `json:"role,omitempty"`
	All        bool            `json:"all,omitempty"`
	LocationID string          `json:"location_id,omitempty"`
	Every      string          `json:"every,omitempty" example:"5m"`
	Cron       string          `json:"cron,omitempty" example:"30 2 * * *"`
	TimeZone   string          `json:"timezone,omitempty" example:"Europe/Brussels"`
	Jitter     string          `json:"jitter,omitempty" example:"30s"`
	Miss       string          `json:"miss" enum:"skip,once"`
	Timeout    string          `json:"timeout,omitempty" doc:"Of each job; empty for the script's or the default."`
	Paused     bool            `json:"paused"`
	NextAt     Time            `json:"next_at,omitzero"`
	LastAt     Time            `json:"last_at,omitzero"`
	CreatedBy  string          `json:"created_by,omitempty"`
	Meta
}

// ScheduleCreate is what a schedule is made from: a script or a command; exactly
// one of node, role and all; a period or a cron line.
type ScheduleCreate struct {
	Name     string          `json:"name" example:"nightly"`
	Script   string          `json:"script,omitempty" doc:"Id or name."`
	Command  []string        `json:"command,omitempty"`
	Args     json.RawMessage `json:"args,omitempty" doc:"For the script."`
	Node     string          `json:"node,omitempty" doc:"Id or name."`
	Role     string          `json:"role,omitempty" enum:"compute,network,storage,boot,runner" doc:"Each node with the role."`
	All      bool            `json:"all,omitempty" doc:"Each node."`
	Location string          `json:"location,omitempty" doc:"Only nodes of this location: id or name."`
	Every    string          `json:"every,omitempty" doc:"Period." example:"5m"`
	Cron     string          `json:"cron,omitempty" doc:"Minute, hour, day of month, month, day of week." example:"30 2 * * *"`
	TimeZone string          `json:"timezone,omitempty" doc:"Of the cron line; UTC if left out."`
	Jitter   string          `json:"jitter,omitempty" doc:"Random delay of at most this, up to 1h."`
	Miss     string          `json:"miss,omitempty" enum:"skip,once" doc:"What to do about times that passed while no controller ran: skip (if left out), or run once."`
	Timeout  string          `json:"timeout,omitempty" doc:"Of each job."`
	Paused   bool            `json:"paused,omitempty"`
}

// ScheduleUpdate changes a schedule; what is left out stays. A period takes the
// place of a cron line, and the other way round. Of the schedule in a script's
// header only paused can be changed.
type ScheduleUpdate struct {
	Args     json.RawMessage `json:"args,omitempty" doc:"For the script."`
	Every    *string         `json:"every,omitempty" doc:"Period." example:"5m"`
	Cron     *string         `json:"cron,omitempty" doc:"Minute, hour, day of month, month, day of week." example:"30 2 * * *"`
	TimeZone *string         `json:"timezone,omitempty" doc:"Of the cron line."`
	Jitter   *string         `json:"jitter,omitempty" doc:"Random delay of at most this, up to 1h."`
	Miss     *string         `json:"miss,omitempty" enum:"skip,once"`
	Timeout  *string         `json:"timeout,omitempty" doc:"Of each job."`
	Paused   *bool           `json:"paused,omitempty"`
}
