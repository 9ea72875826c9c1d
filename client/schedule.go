package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Schedules are the calls about schedules.
type Schedules struct {
	Reader[api.Schedule]
	Deleter[api.Schedule]
}

// Schedules returns the calls about schedules.
func (c *Client) Schedules() Schedules {
	return Schedules{Reader[api.Schedule]{c, "schedules"}, Deleter[api.Schedule]{c, "schedules"}}
}

// Create makes a schedule.
func (s Schedules) Create(ctx context.Context, in api.ScheduleCreate, opts ...Option) (*Result[api.Schedule], error) {
	return change[api.Schedule](ctx, s.Reader.c, http.MethodPost, s.Reader.path, in, opts)
}

// Update changes when and with what a schedule runs.
func (s Schedules) Update(ctx context.Context, ref string, in api.ScheduleUpdate, opts ...Option) (*Result[api.Schedule], error) {
	return change[api.Schedule](ctx, s.Reader.c, http.MethodPatch, joinPath(s.Reader.path, ref), in, opts)
}

// Pause stops the schedule until it is resumed.
func (s Schedules) Pause(ctx context.Context, ref string, opts ...Option) (*Result[api.Schedule], error) {
	return s.do(ctx, ref, "pause", nil, opts)
}

// Resume takes a paused schedule up again.
func (s Schedules) Resume(ctx context.Context, ref string, opts ...Option) (*Result[api.Schedule], error) {
	return s.do(ctx, ref, "resume", nil, opts)
}
