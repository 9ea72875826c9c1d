package control

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/schedule"
	"atoll/internal/script"
	"atoll/internal/store"
)

func scheduleTarget(s *cloud.Schedule) target {
	return target{kind: cloud.KindSchedule, name: s.Name, account: s.AccountID}
}

func scheduleSubject(s *cloud.Schedule) subject {
	return subject{kind: cloud.KindSchedule, id: string(s.ID), name: s.Name, account: s.AccountID}
}

// findSchedule returns the schedule by id or by its name in the account.
func findSchedule(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.Schedule, error) {
	return byRef(ref, tx.Schedule, func(name string) (*cloud.Schedule, error) { return tx.ScheduleNamed(account, name) })
}

// ofHeader reports whether the schedule is the one that a script's header asks
// for: it bears the script's name.
func ofHeader(s *cloud.Schedule) bool { return s.Name == s.ScriptName }

// Schedule returns the schedule by id or name.
func (c *Control) Schedule(ctx context.Context, r *Request, account cloud.AccountID, ref string) (*cloud.Schedule, error) {
	var s *cloud.Schedule
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if s, err = findSchedule(tx, account, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, scheduleTarget(s), ref)
	})
	return s, err
}

// Schedules returns a page of the schedules that the caller may see.
func (c *Control) Schedules(ctx context.Context, r *Request, q store.Query) (list []cloud.Schedule, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Schedules(r.query(cloud.KindSchedule, q))
		return err
	})
	return list, next, err
}

// CreateSchedule makes a schedule, sets its id and says when it is due first.
func (c *Control) CreateSchedule(ctx context.Context, r *Request, s *cloud.Schedule) error {
	return c.change(ctx, r, "schedule.create", func(ch *change) error {
		if err := r.allow(authz.Create, scheduleTarget(s)); err != nil {
			return err
		}
		if s.Miss == "" {
			s.Miss = cloud.MissSkip
		}
		if err := s.Validate(); err != nil {
			return err
		}
		if ofHeader(s) {
			return cloud.FieldErrorf("name", "%q is kept for the schedule in the script's own header; choose another one", s.Name)
		}
		if err := ch.scheduleRefs(s); err != nil {
			return err
		}
		s.CreatedBy = r.User.ID
		return ch.addSchedule(s)
	})
}

// scheduleRefs checks where a schedule runs and what.
func (ch *change) scheduleRefs(s *cloud.Schedule) error {
	if s.Node != "" {
		if _, err := ch.Node(s.Node); err != nil {
			return err
		}
	}
	if s.LocationID != "" {
		if _, err := ch.Location(s.LocationID); err != nil {
			return err
		}
	}
	return ch.scheduleRuns(s)
}

// scheduleRuns checks how long a schedule's jobs may run, and its arguments.
func (ch *change) scheduleRuns(s *cloud.Schedule) error {
	if s.TimeoutMS < 0 || time.Duration(s.TimeoutMS)*time.Millisecond > cloud.MaxJobTimeout {
		return cloud.FieldErrorf("timeout", "must be at most %s", cloud.MaxJobTimeout)
	}
	if s.ScriptName == "" {
		if len(s.Args) > 0 {
			return cloud.FieldErrorf("args", "go with a script only")
		}
		return nil
	}
	sc, err := ch.ScriptNamed(s.AccountID, s.ScriptName)
	if err != nil {
		return err
	}
	return script.CheckArgs(sc.Header, s.Args)
}

// addSchedule writes the schedule with its first time.
func (ch *change) addSchedule(s *cloud.Schedule) error {
	now, err := ch.Now()
	if err != nil {
		return err
	}
	s.ID, s.CreatedAt = cloud.NewID[cloud.ScheduleID](), now
	if err := setNext(s, now); err != nil {
		return err
	}
	if err := ch.Tx.CreateSchedule(s); err != nil {
		return err
	}
	return ch.event("schedule.create", scheduleSubject(s), nil, s)
}

func setNext(s *cloud.Schedule, now cloud.Time) error {
	next, err := schedule.Next(*s, now.Time())
	s.NextAt = cloud.TimeOf(next)
	return err
}

// ScheduleUpdate is what may change of a schedule; nil fields stay. A period takes
// the place of a cron line, and the other way round.
type ScheduleUpdate struct {
	Args                  json.RawMessage
	Every, Cron, TimeZone *string
	JitterMS, TimeoutMS   *int64
	Miss                  *cloud.MissPolicy
	Paused                *bool
}

func (u *ScheduleUpdate) apply(s *cloud.Schedule) {
	if len(u.Args) > 0 {
		s.Args = u.Args
	}
	if u.Every != nil && u.Cron == nil {
		s.Cron, s.TimeZone = "", ""
	}
	if u.Cron != nil && u.Every == nil {
		s.Every = ""
	}
	set(&s.Every, u.Every)
	set(&s.Cron, u.Cron)
	set(&s.TimeZone, u.TimeZone)
	set(&s.JitterMS, u.JitterMS)
	set(&s.TimeoutMS, u.TimeoutMS)
	set(&s.Miss, u.Miss)
	set(&s.Paused, u.Paused)
}

// UpdateSchedule changes when and with what a schedule runs; it is due anew from
// now on. Of the one in a script's header only Paused may change (Conflict).
func (c *Control) UpdateSchedule(ctx context.Context, r *Request, account cloud.AccountID, ref string, u ScheduleUpdate) (*cloud.Schedule, error) {
	var s *cloud.Schedule
	err := c.change(ctx, r, "schedule.update", func(ch *change) (err error) {
		if s, err = ch.scheduleForChange(authz.Update, account, ref); err != nil {
			return err
		}
		before := *s
		u.apply(s)
		after := *s
		if after.Paused = before.Paused; ofHeader(s) && !reflect.DeepEqual(before, after) {
			return cloud.Errorf(cloud.Conflict, "schedule %s comes from the header of its script: upload the script with another one", s.Name)
		}
		if err := s.Validate(); err != nil {
			return err
		}
		if len(u.Args) > 0 || u.TimeoutMS != nil { // else a script that changed meanwhile could not be paused
			if err := ch.scheduleRuns(s); err != nil {
				return err
			}
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		if err := setNext(s, now); err != nil {
			return err
		}
		if err := ch.Tx.UpdateSchedule(s); err != nil {
			return err
		}
		return ch.event("schedule.update", scheduleSubject(s), &before, s)
	})
	return s, err
}

// PauseSchedule stops a schedule until it is resumed.
func (c *Control) PauseSchedule(ctx context.Context, r *Request, account cloud.AccountID, ref string) (*cloud.Schedule, error) {
	return c.setPaused(ctx, r, account, ref, true)
}

// ResumeSchedule lets a paused schedule go on; times that passed meanwhile are
// not made up for.
func (c *Control) ResumeSchedule(ctx context.Context, r *Request, account cloud.AccountID, ref string) (*cloud.Schedule, error) {
	return c.setPaused(ctx, r, account, ref, false)
}

func (c *Control) setPaused(ctx context.Context, r *Request, account cloud.AccountID, ref string, paused bool) (*cloud.Schedule, error) {
	action := "schedule.resume"
	if paused {
		action = "schedule.pause"
	}
	var s *cloud.Schedule
	err := c.change(ctx, r, action, func(ch *change) (err error) {
		if s, err = ch.scheduleForChange(authz.Update, account, ref); err != nil {
			return err
		}
		if s.Paused == paused {
			return nil
		}
		before := *s
		s.Paused = paused
		now, err := ch.Now()
		if err != nil {
			return err
		}
		if err := setNext(s, now); err != nil {
			return err
		}
		if err := ch.UpdateSchedule(s); err != nil {
			return err
		}
		return ch.event(action, scheduleSubject(s), &before, s)
	})
	return s, err
}

// DeleteSchedule ends a schedule; its jobs stay. The one of a script's header
// goes with the script.
func (c *Control) DeleteSchedule(ctx context.Context, r *Request, account cloud.AccountID, ref string) error {
	return c.change(ctx, r, "schedule.delete", func(ch *change) error {
		s, err := ch.scheduleForChange(authz.Delete, account, ref)
		if err != nil {
			return err
		}
		if ofHeader(s) {
			return cloud.Errorf(cloud.Conflict, "schedule %s comes from the header of its script: pause it, or upload the script without every and cron", s.Name)
		}
		return ch.endSchedule(s)
	})
}

func (ch *change) scheduleForChange(a authz.Action, account cloud.AccountID, ref string) (*cloud.Schedule, error) {
	s, err := findSchedule(ch.Tx, account, ref)
	if err != nil {
		return nil, err
	}
	if err := ch.r.permit(a, scheduleTarget(s), ref); err != nil {
		return nil, err
	}
	return s, ch.match(cloud.KindSchedule, s.Name, s.Version)
}

func (ch *change) endSchedule(s *cloud.Schedule) (err error) {
	if s.DeletedAt, err = ch.Now(); err != nil {
		return err
	}
	if err := ch.UpdateSchedule(s); err != nil {
		return err
	}
	return ch.event("schedule.delete", scheduleSubject(s), s, nil)
}

// followHeader makes, changes or removes the schedule that the script's header
// asks for. One that was paused stays so.
func (ch *change) followHeader(sc *cloud.Script) error {
	h := sc.Header
	wanted := h.Every != "" || h.Cron != ""
	old, err := ch.ScheduleNamed(sc.AccountID, sc.Name)
	if cloud.Is(err, cloud.NotFound) {
		old, err = nil, nil
	}
	switch {
	case err != nil:
		return err
	case old != nil && !ofHeader(old) && wanted:
		return cloud.Errorf(cloud.Conflict, "there is another schedule %s: delete it, or give the script another name", old.Name)
	case old != nil && !ofHeader(old):
		return nil
	case !wanted && old != nil:
		return ch.endSchedule(old)
	case !wanted:
		return nil
	}
	s := &cloud.Schedule{
		AccountID: sc.AccountID, Name: sc.Name, ScriptName: sc.Name, All: true, Every: h.Every, Cron: h.Cron,
		TimeZone: h.TimeZone, Miss: cloud.MissSkip, CreatedBy: ch.r.User.ID,
	}
	if old == nil {
		if err := s.Validate(); err != nil {
			return err
		}
		return ch.addSchedule(s)
	}
	if old.Every == s.Every && old.Cron == s.Cron && old.TimeZone == s.TimeZone {
		return nil
	}
	before := *old
	old.Every, old.Cron, old.TimeZone = s.Every, s.Cron, s.TimeZone
	now, err := ch.Now()
	if err != nil {
		return err
	}
	if err := setNext(old, now); err != nil {
		return err
	}
	if err := ch.UpdateSchedule(old); err != nil {
		return err
	}
	return ch.event("schedule.update", scheduleSubject(old), &before, old)
}
