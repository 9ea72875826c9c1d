// Command deployments measures staging deployments on one real runner: how long a
// request takes to the start of its config_check, and how old checks get, while
// many deployments are checked all the time; what a search in their list takes; and
// how soon a new deployment of the bundle builtin:process answers at its URL.
//
// It calls what users can call, and never the code behind it. It needs root, as
// runners do, and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"atoll/bench/product"
	"atoll/bench/report"
)

// figures are the result. Ages, checks and processor seconds are of the time in
// which deployments were watched, requests of that time too: each has to do with
// the others around it.
type figures struct {
	Deployments    int     `json:"deployments"`
	Created        float64 `json:"created_s"` // from the first request until all run
	ConfigCheckP50 float64 `json:"config_check_p50_ms"`
	ConfigCheckP99 float64 `json:"config_check_p99_ms"`
	Watched        float64 `json:"watched_s"`
	CheckAgeP99    float64 `json:"check_age_p99_s"`
	CheckAgeMax    float64 `json:"check_age_max_s"`
	ChecksPerS     float64 `json:"checks_per_s"`
	Missed         int     `json:"checks_missed"`      // rounds in which a deployment had no check
	Overlapping    int     `json:"checks_overlapping"` // with another one of their deployment
	JobsBefore     int     `json:"check_jobs_before"`
	JobsKept       int     `json:"check_jobs_kept"` // the most that were seen
	ControllerCPU  float64 `json:"controller_cpu_s"`
	AgentCPU       float64 `json:"agent_cpu_s"`
	ScriptsCPU     float64 `json:"scripts_cpu_s"` // the agent's children
	ListP50        float64 `json:"list_p50_ms"`
	ListP99        float64 `json:"list_p99_ms"`
	ReachableP50   float64 `json:"reachable_p50_s"`
	ReachableMax   float64 `json:"reachable_max_s"`
}

// String tells the figures.
func (f *figures) String() string {
	return fmt.Sprintf(`%d deployments run after %.1f s
request to config_check: p50 %.1f ms, p99 %.1f ms
checks in %.0f s: %.1f/s; age p99 %.1f s, at most %.1f s; %d missed, %d overlapping; jobs of checks: %d, then up to %d
processor seconds of controller, agent and scripts: %.1f, %.1f, %.1f
a page of a search: p50 %.2f ms, p99 %.2f ms
a new process answers after: p50 %.2f s, at most %.2f s`,
		f.Deployments, f.Created, f.ConfigCheckP50, f.ConfigCheckP99, f.Watched, f.ChecksPerS, f.CheckAgeP99, f.CheckAgeMax, f.Missed, f.Overlapping,
		f.JobsBefore, f.JobsKept, f.ControllerCPU, f.AgentCPU, f.ScriptsCPU, f.ListP50, f.ListP99, f.ReachableP50, f.ReachableMax)
}

func main() {
	n := flag.Int("n", 1000, "number of deployments")
	watch := flag.Duration("watch", 2*time.Minute, "how long checks are watched")
	report.Main(func(ctx context.Context) (*figures, error) { return measure(ctx, *n, *watch) })
}

func measure(ctx context.Context, n int, watch time.Duration) (*figures, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can run projects' scripts")
	}
	p, err := product.Start(ctx, product.SQLite)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	w, err := start(ctx, p)
	if err != nil {
		return nil, err
	}
	f := &figures{Deployments: n}
	if err := w.fill(ctx, f, n); err != nil {
		return nil, err
	}
	if err := w.watch(ctx, f, watch); err != nil {
		return nil, err
	}
	if err := w.search(ctx, f); err != nil {
		return nil, err
	}
	return f, w.reach(ctx, f)
}
