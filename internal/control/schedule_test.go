package control

import (
	"errors"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store/storetest"
)

func TestScheduleRefusals(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	_, tenant := newTenant(t, c, "acme")
	newScript(t, c, "disk", headed("parameters: {type: object, required: [path]}"))
	ok := cloud.Schedule{Name: "s", Command: []string{"true"}, All: true, Every: "1m"}
	for _, tt := range []struct {
		name, field string
		r           *Request
		change      func(s *cloud.Schedule)
		want        cloud.ErrorKind
	}{
		{"tenant", "", tenant, func(*cloud.Schedule) {}, cloud.Denied},
		{"no time", "every", operator, func(s *cloud.Schedule) { s.Every = "" }, cloud.Invalid},
		{"short period", "every", operator, func(s *cloud.Schedule) { s.Every = "1ms" }, cloud.Invalid},
		{"bad cron", "cron", operator, func(s *cloud.Schedule) { s.Every, s.Cron = "", "x" }, cloud.Invalid},
		{"never due", "cron", operator, func(s *cloud.Schedule) { s.Every, s.Cron = "", "0 0 30 2 *" }, cloud.Invalid},
		{"unknown script", "", operator, func(s *cloud.Schedule) { s.Command, s.ScriptName = nil, "nothing" }, cloud.NotFound},
		{"wrong arguments", "args.path", operator, func(s *cloud.Schedule) { s.Command, s.ScriptName = nil, "disk" }, cloud.Invalid},
		{"kept name", "name", operator, func(s *cloud.Schedule) { s.Command, s.ScriptName, s.Name = nil, "disk", "disk" }, cloud.Invalid},
		{"arguments of a command", "args", operator, func(s *cloud.Schedule) { s.Args = []byte(`{}`) }, cloud.Invalid},
		{"unknown node", "", operator, func(s *cloud.Schedule) { s.All, s.Node = false, cloud.NewID[cloud.NodeID]() }, cloud.NotFound},
		{"unknown location", "", operator, func(s *cloud.Schedule) { s.LocationID = cloud.NewID[cloud.LocationID]() }, cloud.NotFound},
		{"long timeout", "timeout", operator, func(s *cloud.Schedule) { s.TimeoutMS = 1 << 50 }, cloud.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ok
			tt.change(&s)
			err := c.CreateSchedule(t.Context(), tt.r, &s)
			var e *cloud.Error
			if !errors.As(err, &e) || e.Kind != tt.want || e.Field != tt.field {
				t.Errorf("create = %v, want %s in %q", err, tt.want, tt.field)
			}
		})
	}
}

func TestSchedulePauseAndResume(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		s := &cloud.Schedule{Name: "s", Command: []string{"true"}, All: true, Every: "1h"}
		if err := c.CreateSchedule(ctx, operator, s); err != nil {
			t.Fatal(err)
		}
		if s.Miss != cloud.MissSkip || s.NextAt.Sub(s.CreatedAt).Hours() != 1 {
			t.Errorf("schedule = %+v, want it due in an hour", s)
		}
		got, err := c.PauseSchedule(ctx, operator, "", "s")
		if err != nil || !got.Paused {
			t.Fatalf("pause = %+v, %v", got, err)
		}
		if got, err = c.ResumeSchedule(ctx, operator, "", string(s.ID)); err != nil || got.Paused || got.NextAt != s.NextAt {
			t.Errorf("resume = %+v, %v", got, err)
		}
		if err := c.DeleteSchedule(ctx, operator, "", "s"); err != nil {
			t.Fatal(err)
		}
		_, err = c.Schedule(ctx, operator, "", "s")
		wantKind(t, "get after delete", err, cloud.NotFound)
	})
}

func TestScheduleUpdate(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		_, tenant := newTenant(t, c, "acme")
		newScript(t, c, "disk", headed("every: 1h", "parameters: {type: object, required: [path]}"))
		s := &cloud.Schedule{Name: "s", ScriptName: "disk", Args: []byte(`{"path":"/"}`), All: true, Cron: "0 3 * * *", TimeZone: "Europe/Brussels"}
		if err := c.CreateSchedule(ctx, operator, s); err != nil {
			t.Fatal(err)
		}
		every, cron, jitter, paused, long := "2h", "@hourly", int64(1000), true, int64(1)<<50
		got, err := c.UpdateSchedule(ctx, operator, "", "s", ScheduleUpdate{Every: &every, JitterMS: &jitter, Args: []byte(`{"path":"/var"}`)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Every != every || got.Cron != "" || got.TimeZone != "" || string(got.Args) != `{"path":"/var"}` || got.NextAt.Sub(got.UpdatedAt).Hours() < 1.99 {
			t.Errorf("schedule = %+v, want it due in two hours", got)
		}
		for name, tt := range map[string]struct {
			r    *Request
			ref  string
			up   ScheduleUpdate
			want cloud.ErrorKind
		}{
			"tenant":          {tenant, "s", ScheduleUpdate{Every: &every}, cloud.NotFound},
			"bad cron":        {operator, "s", ScheduleUpdate{Cron: &every}, cloud.Invalid},
			"both":            {operator, "s", ScheduleUpdate{Cron: &cron, Every: &every}, cloud.Invalid},
			"wrong arguments": {operator, "s", ScheduleUpdate{Args: []byte(`{}`)}, cloud.Invalid},
			"long timeout":    {operator, "s", ScheduleUpdate{TimeoutMS: &long}, cloud.Invalid},
			"of a header":     {operator, "disk", ScheduleUpdate{Every: &every}, cloud.Conflict},
			"stale":           {&Request{User: operator.User, IfMatch: 1}, "s", ScheduleUpdate{Paused: &paused}, cloud.Conflict},
		} {
			_, err := c.UpdateSchedule(ctx, tt.r, "", tt.ref, tt.up)
			if cloud.KindOf(err) != tt.want {
				t.Errorf("%s: update = %v, want %s", name, err, tt.want)
			}
		}
		for _, ref := range []string{"s", "disk"} {
			if got, err := c.UpdateSchedule(ctx, operator, "", ref, ScheduleUpdate{Paused: &paused}); err != nil || !got.Paused {
				t.Errorf("pause %s = %+v, %v", ref, got, err)
			}
		}
		if n := actions(t, c)["schedule.update"]; n != 3 {
			t.Errorf("%d events of updates, want 3", n)
		}
	})
}
