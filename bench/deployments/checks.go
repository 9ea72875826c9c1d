package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"atoll/bench/report"
	"atoll/client"
)

const (
	interval = 15 * time.Second // in which a project's deployments are checked, if it says nothing else
	// lookEvery is less than half of it, so that no check is overlooked.
	lookEvery = 5 * time.Second
	countEach = 4 // look the jobs of checks are counted, which costs the controller more
)

// watched is what was seen of checks.
type watched struct {
	at      map[string]time.Time // of each deployment's last check
	ages    []time.Duration      // of the last checks, at each look
	longest time.Duration        // between two checks of a deployment, or since the last
	missed  int
	looked  int
	jobs    int // the most jobs of checks that were kept
}

// watch looks at the checks for the time, while others make requests.
func (w *world) watch(ctx context.Context, f *figures, d time.Duration) error {
	checks, _, err := w.checks(ctx)
	if err != nil {
		return err
	}
	controller, agent, scripts, err := w.used()
	if err != nil {
		return err
	}
	if f.JobsBefore, err = w.checkJobs(ctx); err != nil {
		return err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var requests sync.WaitGroup
	var waits []time.Duration
	var failed error
	requests.Go(func() { waits, failed = w.requests(ctx) })
	seen := watched{at: map[string]time.Time{}, jobs: f.JobsBefore}
	err = seen.looks(ctx, w)
	requests.Wait()
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	took := time.Since(began)
	afterController, afterAgent, afterScripts, err := w.used()
	if err != nil {
		return err
	}
	f.ControllerCPU, f.AgentCPU, f.ScriptsCPU = seconds(afterController-controller), seconds(afterAgent-agent), seconds(afterScripts-scripts)
	after, overlapping, err := w.checks(ctx)
	if err != nil {
		return err
	}
	f.Watched, f.ChecksPerS = seconds(took), report.Round(float64(after-checks)/took.Seconds(), 1)
	f.ConfigCheckP50, f.ConfigCheckP99 = report.Percentile(waits, 0.5), report.Percentile(waits, 0.99)
	f.CheckAgeP99, f.CheckAgeMax = report.Round(report.Percentile(seen.ages, 0.99)/1000, 1), seconds(seen.longest)
	f.Missed, f.Overlapping, f.JobsKept = seen.missed, overlapping, seen.jobs
	return nil
}

func seconds(d time.Duration) float64 { return report.Round(d.Seconds(), 1) }

// used is the processor time of controller, agent and the agent's scripts.
func (w *world) used() (controller, agent, scripts time.Duration, err error) {
	if controller, _, err = w.p.Controller.CPU(); err == nil {
		agent, scripts, err = w.agent.CPU()
	}
	return controller, agent, scripts, err
}

// looks looks again and again until ctx ends.
func (s *watched) looks(ctx context.Context, w *world) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := s.look(ctx, w); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *watched) look(ctx context.Context, w *world) error {
	list := 0
	for d, err := range w.c.Deployments().All(ctx, client.ListOptions{Limit: 1000}) {
		switch {
		case err != nil:
			return err
		case d.State != "Running" || d.CheckError != "":
			return fmt.Errorf("deployment %s is %s %s %s", d.Name, d.State, d.Message, d.CheckError)
		}
		list++
		if d.CheckedAt.Before(d.DeployedAt) { // its creation ended with a good check
			d.CheckedAt = d.DeployedAt
		}
		age := time.Since(d.CheckedAt)
		s.ages = append(s.ages, age)
		s.longest = max(s.longest, age)
		if last := s.at[d.ID]; !last.IsZero() && d.CheckedAt.After(last) {
			gap := d.CheckedAt.Sub(last)
			s.longest = max(s.longest, gap)
			s.missed += max(0, int(math.Round(float64(gap)/float64(interval)))-1)
		}
		s.at[d.ID] = d.CheckedAt
	}
	if list != w.n {
		return fmt.Errorf("%d of %d deployments are there", list, w.n)
	}
	if s.looked++; s.looked%countEach != 0 {
		return nil
	}
	n, err := w.checkJobs(ctx)
	s.jobs = max(s.jobs, n)
	return err
}

// checkJobs counts the jobs of checks that there are.
func (w *world) checkJobs(ctx context.Context) (n int, err error) {
	for _, err := range w.c.Jobs().All(ctx, client.ListOptions{Limit: 1000, Filter: []string{"queue=check"}}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// checks returns how many checks there were, as the scripts say, and how many of
// them while another one of the deployment ran.
func (w *world) checks(ctx context.Context) (n, overlapping int, err error) {
	text, err := w.ask(ctx, "checks", "")
	if err == nil {
		_, err = fmt.Sscan(text, &n, &overlapping)
	}
	return n, overlapping, err
}
