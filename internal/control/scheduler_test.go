package control

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// makeDue sets the schedule's next time to some time ago.
func makeDue(t *testing.T, c *Control, name string, ago time.Duration) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) error {
		s, err := tx.ScheduleNamed("", name)
		if err != nil {
			return err
		}
		now, err := tx.Now()
		s.NextAt = now.Add(-ago)
		if err == nil {
			err = tx.UpdateSchedule(s)
		}
		return err
	})
}

func fireNow(t *testing.T, c *Control) {
	t.Helper()
	for {
		more, err := c.fireDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func TestSchedulerMakesJobs(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		home, away := newLocation(t, c, "home"), newLocation(t, c, "away")
		a := newNode(t, c, "a", home.ID, cloud.NodeOnline, cloud.RoleCompute)
		b := newNode(t, c, "b", home.ID, cloud.NodeOnline, cloud.RoleStorage)
		d := newNode(t, c, "d", away.ID, cloud.NodeOnline, cloud.RoleCompute)
		off := newNode(t, c, "off", home.ID, cloud.NodeOffline, cloud.RoleCompute)
		sc := newScript(t, c, "disk", headed("roles: [compute]", "timeout: 30s", "queue: io"))
		for _, tt := range []struct {
			name string
			s    cloud.Schedule
			want []cloud.NodeID
		}{
			{"all", cloud.Schedule{Command: []string{"uptime"}, All: true, Every: "5m"}, []cloud.NodeID{a.ID, b.ID, d.ID}},
			{"role", cloud.Schedule{Command: []string{"uptime"}, Role: cloud.RoleCompute, Every: "5m"}, []cloud.NodeID{a.ID, d.ID}},
			{"location", cloud.Schedule{Command: []string{"uptime"}, All: true, LocationID: home.ID, Cron: "0 4 * * *"}, []cloud.NodeID{a.ID, b.ID}},
			{"node", cloud.Schedule{Command: []string{"uptime"}, Node: b.ID, Every: "5m"}, []cloud.NodeID{b.ID}},
			{"made-up-for", cloud.Schedule{Command: []string{"uptime"}, Node: off.ID, Every: "5m", Miss: cloud.MissOnce}, []cloud.NodeID{off.ID}},
			{"away", cloud.Schedule{Command: []string{"uptime"}, Node: off.ID, Every: "5m"}, nil},
			{"script", cloud.Schedule{ScriptName: "disk", All: true, Every: "5m"}, []cloud.NodeID{a.ID, d.ID}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				s := tt.s
				s.Name = tt.name
				if err := c.CreateSchedule(ctx, operator, &s); err != nil {
					t.Fatal(err)
				}
				fireNow(t, c) // not due yet
				makeDue(t, c, tt.name, time.Second)
				fireNow(t, c)
				fireNow(t, c) // not due any more
				jobs, _, err := c.Jobs(ctx, operator, store.Query{Filter: []string{"schedule=" + string(s.ID)}})
				if err != nil {
					t.Fatal(err)
				}
				got := map[cloud.NodeID]bool{}
				for _, j := range jobs {
					got[j.TargetNode] = true
					long := s.Cron != ""
					if j.Key != fmt.Sprintf("schedule:%s:%s", s.ID, j.TargetNode) || (j.Retention == cloud.KeepDays) != long {
						t.Errorf("job = %+v", j)
					}
					if s.ScriptName != "" && (j.ScriptID != sc.ID || j.TimeoutMS != 30000 || j.Queue != "io") {
						t.Errorf("script's job = %+v", j)
					}
				}
				for _, id := range tt.want {
					if !got[id] {
						t.Errorf("no job for node %s", id)
					}
				}
				if len(jobs) != len(tt.want) {
					t.Errorf("%d jobs, want %d", len(jobs), len(tt.want))
				}
				after, err := c.Schedule(ctx, operator, "", tt.name)
				if err != nil || after.LastAt == 0 || after.NextAt <= after.LastAt {
					t.Errorf("schedule afterwards = %+v, %v", after, err)
				}
			})
		}
	})
}

func TestSchedulerMissPolicy(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	n := newNode(t, c, "a", newLocation(t, c, "home").ID, cloud.NodeOnline)
	for _, miss := range []cloud.MissPolicy{cloud.MissSkip, cloud.MissOnce} {
		s := &cloud.Schedule{Name: string(miss), Command: []string{"true"}, Node: n.ID, Every: "1h", Miss: miss}
		if err := c.CreateSchedule(t.Context(), operator, s); err != nil {
			t.Fatal(err)
		}
		makeDue(t, c, string(miss), 5*time.Hour)
		fireNow(t, c)
		jobs, _, err := c.Jobs(t.Context(), operator, store.Query{Filter: []string{"schedule=" + string(s.ID)}})
		if want := map[cloud.MissPolicy]int{cloud.MissOnce: 1}[miss]; err != nil || len(jobs) != want {
			t.Errorf("%s: %d jobs, %v, want %d", miss, len(jobs), err, want)
		}
	}
}

func TestSchedulerAddsNoSecondWaitingJob(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	n := newNode(t, c, "a", newLocation(t, c, "home").ID, cloud.NodeOnline)
	newScript(t, c, "disk", headed("description: one"))
	s := &cloud.Schedule{Name: "s", ScriptName: "disk", Node: n.ID, Every: "1m"}
	if err := c.CreateSchedule(t.Context(), operator, s); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		makeDue(t, c, "s", time.Second)
		fireNow(t, c)
	}
	if jobs := jobsNow(t, c); len(jobs) != 1 {
		t.Fatalf("%d jobs, want one that waits", len(jobs))
	}
	newScript(t, c, "disk", headed("description: two"))
	makeDue(t, c, "s", time.Second)
	fireNow(t, c)
	if jobs := jobsNow(t, c); len(jobs) != 2 || jobs[0].State != cloud.JobCanceled || jobs[1].State != cloud.JobQueued {
		t.Errorf("jobs = %v, want that of the new revision in place of the old one", jobs)
	}
}

func TestSchedulerPausesWhatCannotRun(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		n := newNode(t, c, "a", newLocation(t, c, "home").ID, cloud.NodeOnline)
		for _, name := range []string{"bad", "good"} {
			s := &cloud.Schedule{Name: name, Command: []string{"true"}, Node: n.ID, Every: "1m"}
			if err := c.CreateSchedule(t.Context(), operator, s); err != nil {
				t.Fatal(err)
			}
		}
		inTx(t, c, func(tx *store.Tx) error {
			s, err := tx.ScheduleNamed("", "bad")
			if err != nil {
				return err
			}
			s.Node = cloud.NewID[cloud.NodeID]()
			return tx.UpdateSchedule(s)
		})
		makeDue(t, c, "bad", 2*time.Second)
		makeDue(t, c, "good", time.Second)
		fireNow(t, c)
		if s, err := c.Schedule(t.Context(), operator, "", "bad"); err != nil || !s.Paused {
			t.Errorf("schedule of a deleted node = %+v, %v, want it paused", s, err)
		}
		if jobs := jobsNow(t, c); len(jobs) != 1 {
			t.Errorf("%d jobs, want that of the good schedule", len(jobs))
		}
		if got := actions(t, c); got["schedule.paused"] != 1 {
			t.Errorf("events = %v, want one schedule.paused", got)
		}
	})
}

// Several controllers race for the same times: each fires once.
func TestSchedulerFiresOnceAmongControllers(t *testing.T) {
	t.Parallel()
	db := storetest.Postgres(t)
	first := newCatalog(t, db)
	all := []*Control{first}
	for range 3 {
		all = append(all, newCatalog(t, db, func(cfg *Config) { cfg.Keys = first.Keys }))
	}
	n := newNode(t, first, "a", newLocation(t, first, "home").ID, cloud.NodeOnline)
	for i := range 50 {
		name := fmt.Sprintf("s%d", i)
		s := &cloud.Schedule{Name: name, Command: []string{"true"}, Node: n.ID, Every: "1h"}
		if err := first.CreateSchedule(t.Context(), operator, s); err != nil {
			t.Fatal(err)
		}
		makeDue(t, first, name, time.Second)
	}
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = c.fireDue(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	fireNow(t, first)
	per := map[cloud.ScheduleID]int{}
	for _, j := range jobsNow(t, first) {
		per[j.ScheduleID]++
	}
	for id, n := range per {
		if n != 1 {
			t.Errorf("schedule %s fired %d times", id, n)
		}
	}
	if len(per) != 50 {
		t.Errorf("%d of 50 schedules fired", len(per))
	}
}

func TestSchedulerLoop(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	n := newNode(t, c, "a", newLocation(t, c, "home").ID, cloud.NodeOnline)
	s := &cloud.Schedule{Name: "s", Command: []string{"true"}, Node: n.ID, Every: "1s"}
	if err := c.CreateSchedule(t.Context(), operator, s); err != nil {
		t.Fatal(err)
	}
	runLoops(t, c.fireSchedules)
	until(t, "job", func() bool { return len(jobsNow(t, c)) > 0 })
}
