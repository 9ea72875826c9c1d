package rest

import (
	"context"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func scheduleView(v *cloud.Schedule) api.Schedule {
	return api.Schedule{
		ID: string(v.ID), AccountID: string(v.AccountID), Name: v.Name, Script: v.ScriptName, Command: v.Command, Args: v.Args,
		NodeID: string(v.Node), Role: string(v.Role), All: v.All, LocationID: string(v.LocationID), Every: v.Every, Cron: v.Cron,
		TimeZone: v.TimeZone, Jitter: durationText(v.JitterMS), Miss: string(v.Miss), Timeout: durationText(v.TimeoutMS), Paused: v.Paused,
		NextAt: v.NextAt.Time(), LastAt: v.LastAt.Time(), CreatedBy: string(v.CreatedBy), Meta: metaView(v.Meta),
	}
}

// ScheduleIn names a schedule in the path.
type ScheduleIn struct {
	Schedule string `path:"schedule" doc:"Id or name."`
}

func (s *Server) registerSchedules() {
	const tag, all, one = "Schedules", "/schedules", "/schedules/{schedule}"
	add(s, get(all, "list-schedules", tag, "List schedules"), s.scheduleList)
	add(s, post(all, "create-schedule", tag, "Create a schedule"), s.scheduleCreate)
	add(s, get(one, "get-schedule", tag, "Show a schedule"), s.scheduleGet)
	add(s, patch(one, "update-schedule", tag, "Change when and with what a schedule runs"), s.scheduleUpdate)
	add(s, operation("POST", one+"/pause", "pause-schedule", tag, "Pause a schedule", 200), s.schedulePause)
	add(s, operation("POST", one+"/resume", "resume-schedule", tag, "Resume a paused schedule", 200), s.scheduleResume)
	add(s, remove(one, "delete-schedule", tag, "Delete a schedule; its jobs stay"), s.scheduleDelete)
}

func (s *Server) scheduleList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Schedule], error) {
	list, next, err := s.control.Schedules(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, scheduleView), nil
}

type scheduleCreate struct {
	Creating
	Body api.ScheduleCreate
}

func (s *Server) scheduleCreate(ctx context.Context, r *control.Request, in *scheduleCreate) (*created[api.Schedule], error) {
	b := in.Body
	v := &cloud.Schedule{
		Name: b.Name, ScriptName: b.Script, Command: b.Command, Args: b.Args, Role: cloud.Role(b.Role), All: b.All,
		Every: b.Every, Cron: b.Cron, TimeZone: b.TimeZone, Miss: cloud.MissPolicy(b.Miss), Paused: b.Paused,
	}
	for _, d := range []struct {
		field, text string
		ms          *int64
	}{{"jitter", b.Jitter, &v.JitterMS}, {"timeout", b.Timeout, &v.TimeoutMS}} {
		length, err := duration(d.field, d.text)
		if err != nil {
			return nil, err
		}
		*d.ms = int64(length / time.Millisecond)
	}
	var err error
	if v.Node, err = s.nodeID(ctx, r, b.Node); err != nil {
		return nil, err
	}
	if v.LocationID, err = s.locationID(ctx, r, b.Location); err != nil {
		return nil, err
	}
	if cloud.IsID(b.Script) {
		sc, err := s.control.Script(ctx, r, "", b.Script)
		if err != nil {
			return nil, err
		}
		v.ScriptName = sc.Name
	}
	if err := s.control.CreateSchedule(ctx, r, v); err != nil {
		return nil, err
	}
	return newObject("/schedules", v.ID, v.Meta, scheduleView(v)), nil
}

func (s *Server) scheduleGet(ctx context.Context, r *control.Request, in *ScheduleIn) (*body[api.Schedule], error) {
	v, err := s.control.Schedule(ctx, r, "", in.Schedule)
	if err != nil {
		return nil, err
	}
	return object(v.Meta, scheduleView(v)), nil
}

type scheduleUpdate struct {
	ScheduleIn
	Versioned
	Body api.ScheduleUpdate
}

func (s *Server) scheduleUpdate(ctx context.Context, r *control.Request, in *scheduleUpdate) (*body[api.Schedule], error) {
	b := in.Body
	u := control.ScheduleUpdate{Args: b.Args, Every: b.Every, Cron: b.Cron, TimeZone: b.TimeZone, Miss: word[cloud.MissPolicy](b.Miss), Paused: b.Paused}
	var err error
	if u.JitterMS, err = milliseconds("jitter", b.Jitter); err != nil {
		return nil, err
	}
	if u.TimeoutMS, err = milliseconds("timeout", b.Timeout); err != nil {
		return nil, err
	}
	v, err := s.control.UpdateSchedule(ctx, r, "", in.Schedule, u)
	if err != nil {
		return nil, err
	}
	return object(v.Meta, scheduleView(v)), nil
}

// milliseconds reads an optional length of time.
func milliseconds(field string, text *string) (*int64, error) {
	if text == nil {
		return nil, nil
	}
	d, err := duration(field, *text)
	ms := d.Milliseconds()
	return &ms, err
}

type scheduleChange struct {
	ScheduleIn
	Versioned
}

func (s *Server) schedulePause(ctx context.Context, r *control.Request, in *scheduleChange) (*body[api.Schedule], error) {
	v, err := s.control.PauseSchedule(ctx, r, "", in.Schedule)
	if err != nil {
		return nil, err
	}
	return object(v.Meta, scheduleView(v)), nil
}

func (s *Server) scheduleResume(ctx context.Context, r *control.Request, in *scheduleChange) (*body[api.Schedule], error) {
	v, err := s.control.ResumeSchedule(ctx, r, "", in.Schedule)
	if err != nil {
		return nil, err
	}
	return object(v.Meta, scheduleView(v)), nil
}

func (s *Server) scheduleDelete(ctx context.Context, r *control.Request, in *scheduleChange) (*none, error) {
	return &none{}, s.control.DeleteSchedule(ctx, r, "", in.Schedule)
}
