// Package schedule is the arithmetic of schedules: when one is due next, and
// what becomes of times that passed while nobody looked.
//
// It must never look at a clock or keep state: the same schedule and the same
// moment always give the same answer, on every controller.
package schedule

import (
	"hash/fnv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"atoll/internal/cloud"
)

// Tolerance is how late a run may start and still count as in time.
const Tolerance = 30 * time.Second

// Next returns the first time after the given one at which s is due.
//
// A period counts from the schedule's creation, so that it never drifts. Cron
// lines follow the wall clock of the time zone (UTC if none): where a clock is
// put forward, a time that does not exist runs at the change; where it is put
// back, a time that comes twice runs once. Lines whose hour begins with * run
// by elapsed time through both. The jitter moves all times of a schedule by the
// same part of JitterMS, which its id decides.
//
// An error is cloud.Invalid and names the field; a cron line that is never due
// (30 February) is one.
func Next(s cloud.Schedule, after time.Time) (time.Time, error) {
	shift := jitter(s)
	after = after.Add(-shift)
	var next time.Time
	switch {
	case s.Every != "":
		d, err := time.ParseDuration(s.Every)
		if err != nil || d < cloud.MinPeriod {
			return time.Time{}, cloud.FieldErrorf("every", "%q is no period of at least %s such as 30s or 5m", s.Every, cloud.MinPeriod)
		}
		next = nextPeriod(s.CreatedAt.Time(), d, after)
	default:
		line, err := ParseCron(s.Cron, s.TimeZone)
		if err != nil {
			return time.Time{}, err
		}
		if next = line.Next(after); next.IsZero() {
			return time.Time{}, neverDue(s.Cron)
		}
	}
	return next.Add(shift).UTC(), nil
}

// Due says whether a schedule whose NextAt may have come runs now, and when it
// is due next. A time missed by more than Tolerance runs once with
// cloud.MissOnce, however many there were, and not at all with cloud.MissSkip.
func Due(s cloud.Schedule, now time.Time) (run bool, next time.Time, err error) {
	planned := s.NextAt.Time()
	if s.NextAt != 0 && planned.After(now) {
		return false, planned, nil
	}
	next, err = Next(s, now)
	if err != nil || s.NextAt == 0 {
		return false, next, err
	}
	return s.Miss == cloud.MissOnce || now.Sub(planned) <= Tolerance, next, nil
}

func jitter(s cloud.Schedule) time.Duration {
	if s.JitterMS <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(s.ID))
	return time.Duration(h.Sum64()%uint64(s.JitterMS+1)) * time.Millisecond
}

// nextPeriod returns the first anchor + n×d after t; the zero anchor is the epoch.
func nextPeriod(anchor time.Time, d time.Duration, t time.Time) time.Time {
	if anchor.IsZero() {
		anchor = time.Unix(0, 0)
	}
	if t.Before(anchor) {
		t = anchor
	}
	return anchor.Add(t.Sub(anchor)/d*d + d)
}

// Cron is a cron line in a time zone.
type Cron struct {
	spec    *cron.SpecSchedule
	zone    *time.Location
	elapsed bool // the hour is free: time runs on through clock changes
}

// ParseCron reads a line of five fields, or @hourly, @daily, @weekly, @monthly
// or @yearly. Errors are cloud.Invalid with the field cron or timezone.
func ParseCron(line, zone string) (*Cron, error) {
	// The parser would take a zone from the line, and fails badly on half a one.
	if strings.Contains(line, "TZ=") {
		return nil, cloud.FieldErrorf("cron", "takes no TZ=; give the time zone in the field timezone")
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, cloud.FieldErrorf("timezone", "%q is no time zone such as Europe/Brussels", clip(zone))
	}
	schedule, err := cron.ParseStandard(line)
	if err != nil {
		return nil, cloud.FieldErrorf("cron", "%q is no cron line of five fields such as 0 4 * * 1: %v", clip(line), err)
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return nil, cloud.FieldErrorf("cron", "takes no @every; give the period in the field every")
	}
	spec.Location = time.UTC
	fields := strings.Fields(line)
	c := &Cron{spec: spec, zone: loc, elapsed: line == "@hourly" || len(fields) == 5 && strings.HasPrefix(fields[1], "*")}
	if c.Next(time.Unix(0, 0)).IsZero() {
		return nil, neverDue(line)
	}
	return c, nil
}

func neverDue(line string) error {
	return cloud.FieldErrorf("cron", "%q is never due; check the day and the month", clip(line))
}

// Next returns the first time after t, or the zero time if there is none.
func (c *Cron) Next(t time.Time) time.Time {
	if c.elapsed {
		spec := *c.spec
		spec.Location = time.Local // of t
		return spec.Next(t.In(c.zone))
	}
	for wall := wallClock(t.In(c.zone)); ; {
		if wall = c.spec.Next(wall); wall.IsZero() {
			return wall
		}
		if next := instant(wall, c.zone); next.After(t) {
			return next
		}
	}
}

// wallClock is what the clock on the wall shows at t, as if it were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant returns when the wall clock of the zone shows wall for the first time,
// or when it jumps over it.
func instant(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	switch shown := wallClock(t); {
	case shown.After(wall):
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Nanosecond).Zone()
	_, now := t.Zone()
	first := t.Add(-time.Duration(before-now) * time.Second)
	if before > now && wallClock(first.In(zone)).Equal(wall) {
		return first
	}
	return t
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
