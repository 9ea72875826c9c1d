package schedule

import (
	"testing"
	"time"
	_ "time/tzdata" // the host may have no time zones

	"atoll/internal/cloud"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNext(t *testing.T) {
	created := cloud.Meta{CreatedAt: cloud.TimeOf(at(t, "2026-01-01T00:00:07Z"))}
	brussels := func(line string) cloud.Schedule { return cloud.Schedule{Cron: line, TimeZone: "Europe/Brussels"} }
	// Brussels: forward on 2026-03-29 at 01:00Z (02:00 to 03:00), back on 2026-10-25 at 01:00Z (03:00 to 02:00).
	for _, tt := range []struct {
		name  string
		s     cloud.Schedule
		after string
		want  []string // each one after the one before
	}{
		{"period from creation", cloud.Schedule{Every: "5m", Meta: created}, "2026-01-01T00:12:00Z", []string{"2026-01-01T00:15:07Z", "2026-01-01T00:20:07Z"}},
		{"period, exactly on", cloud.Schedule{Every: "5m", Meta: created}, "2026-01-01T00:05:07Z", []string{"2026-01-01T00:10:07Z"}},
		{"period, before creation", cloud.Schedule{Every: "1h", Meta: created}, "2025-12-01T00:00:00Z", []string{"2026-01-01T01:00:07Z"}},
		{"period without creation", cloud.Schedule{Every: "24h"}, "2026-01-01T00:12:00Z", []string{"2026-01-02T00:00:00Z"}},
		{"cron in UTC", cloud.Schedule{Cron: "30 4 * * 1"}, "2026-11-20T00:00:00Z", []string{"2026-11-23T04:30:00Z", "2026-11-30T04:30:00Z"}},
		{"descriptor", brussels("@daily"), "2026-07-01T00:00:00Z", []string{"2026-07-01T22:00:00Z"}},
		{"forward: a time that does not exist", brussels("30 2 * * *"), "2026-03-28T02:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"forward: many that do not exist", brussels("*/20 2 * * *"), "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"forward: after the change", brussels("0 3 * * *"), "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
		{"forward: each half hour", brussels("*/30 * * * *"), "2026-03-29T00:00:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
		{"back: a time that comes twice", brussels("30 2 * * *"), "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"back: asked between the two", brussels("30 2 * * *"), "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"back: each half hour", brussels("*/30 * * * *"), "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"}},
		{"half an hour's change", cloud.Schedule{Cron: "15 2 * * *", TimeZone: "Australia/Lord_Howe"}, "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			after := at(t, tt.after)
			for _, want := range tt.want {
				next, err := Next(tt.s, after)
				if err != nil || !next.Equal(at(t, want)) {
					t.Fatalf("Next(%s) = %s, %v; want %s", after, next, err, want)
				}
				after = next
			}
		})
	}
}

func TestNextInvalid(t *testing.T) {
	for _, tt := range []struct {
		s     cloud.Schedule
		field string
	}{
		{cloud.Schedule{Every: "soon"}, "every"},
		{cloud.Schedule{Every: "10ms"}, "every"},
		{cloud.Schedule{}, "cron"},
		{cloud.Schedule{Cron: "* * *"}, "cron"},
		{cloud.Schedule{Cron: "0 0 30 2 *"}, "cron"},
		{cloud.Schedule{Cron: "@every 5m"}, "cron"},
		{cloud.Schedule{Cron: "TZ=x"}, "cron"},
		{cloud.Schedule{Cron: "CRON_TZ=Europe/Brussels 0 0 * * *"}, "cron"},
		{cloud.Schedule{Cron: "0 0 * * *", TimeZone: "Mars/Olympus"}, "timezone"},
		{cloud.Schedule{Cron: "0 0 * * *", TimeZone: "Local"}, "timezone"},
	} {
		_, err := Next(tt.s, time.Unix(0, 0))
		e, ok := err.(*cloud.Error)
		if !ok || e.Kind != cloud.Invalid || e.Field != tt.field {
			t.Errorf("Next(%+v) = %v, want kind invalid, field %s", tt.s, err, tt.field)
		}
	}
}

func TestJitter(t *testing.T) {
	base := cloud.Schedule{ID: "a", Every: "1m"}
	after := at(t, "2026-01-01T00:00:30Z")
	shifts := map[time.Duration]bool{}
	for _, id := range []cloud.ScheduleID{"a", "b", "c", "d"} {
		s := base
		s.ID, s.JitterMS = id, 10_000
		next := after
		for n := range 3 {
			last := next
			var err error
			if next, err = Next(s, last); err != nil {
				t.Fatal(err)
			}
			if n > 0 && next.Sub(last) != time.Minute {
				t.Errorf("schedule %s: %s after the one before", id, next.Sub(last))
			}
		}
		shift := next.Sub(next.Truncate(time.Minute))
		if shift > 10*time.Second {
			t.Errorf("schedule %s is moved by %s", id, shift)
		}
		shifts[shift] = true
	}
	if len(shifts) < 2 {
		t.Error("all schedules are moved alike")
	}
}

func TestDue(t *testing.T) {
	planned := at(t, "2026-01-01T00:05:00Z")
	for _, tt := range []struct {
		name string
		next cloud.Time
		miss cloud.MissPolicy
		now  time.Time
		run  bool
		want string
	}{
		{"new", 0, cloud.MissOnce, planned, false, "2026-01-01T00:10:00Z"},
		{"not yet", cloud.TimeOf(planned), cloud.MissOnce, planned.Add(-time.Second), false, "2026-01-01T00:05:00Z"},
		{"now", cloud.TimeOf(planned), cloud.MissSkip, planned, true, "2026-01-01T00:10:00Z"},
		{"a little late", cloud.TimeOf(planned), cloud.MissSkip, planned.Add(Tolerance), true, "2026-01-01T00:10:00Z"},
		{"missed, skip", cloud.TimeOf(planned), cloud.MissSkip, planned.Add(time.Hour), false, "2026-01-01T01:10:00Z"},
		{"missed, once", cloud.TimeOf(planned), cloud.MissOnce, planned.Add(time.Hour), true, "2026-01-01T01:10:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := cloud.Schedule{Every: "5m", NextAt: tt.next, Miss: tt.miss}
			run, next, err := Due(s, tt.now)
			if err != nil || run != tt.run || !next.Equal(at(t, tt.want)) {
				t.Errorf("Due() = %v, %s, %v; want %v, %s", run, next, err, tt.run, tt.want)
			}
		})
	}
}
