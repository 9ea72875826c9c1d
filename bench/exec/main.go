// Command exec measures how many scripts a second one node runs, from the REST
// call to the stored result, against what the host can fork and execute at all:
// the same script, started by nothing but os/exec, as many at a time as the
// agent's queue has places. It also says what a cgroup and a user of its own cost
// each command.
//
// It never runs anything but a script that ends at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/bench/report"
	"atoll/internal/agent"
	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/sal/host"
)

// figures are the result. The costs are of one command, by the node's driver
// alone: as root, against bare os/exec, and as a project's user, against root.
type figures struct {
	ScriptsPerSecond  float64 `json:"scripts_per_s"`
	ForkExecPerSecond float64 `json:"fork_exec_limit_per_s"`
	Ratio             float64 `json:"ratio"`
	Cgroup            float64 `json:"cgroup_cost_us"`
	User              float64 `json:"user_cost_us"`
}

// String tells the figures.
func (f *figures) String() string {
	return fmt.Sprintf("%.0f scripts/s, of %.0f/s that the host can fork and execute (%.0f %%); for each command its cgroup costs %.0f µs, and a user of its own %.0f µs",
		f.ScriptsPerSecond, f.ForkExecPerSecond, 100*f.Ratio, f.Cgroup, f.User)
}

const (
	node   = "bench-1"
	name   = "bench"
	script = "#!/bin/sh\nexit 0\n"
)

// places is how many scripts run at a time.
var places = agent.DefaultQueues()[cloud.QueueDefault]

func main() {
	n := flag.Int("n", 4000, "number of scripts")
	report.Main(func(ctx context.Context) (*figures, error) { return measure(ctx, *n) })
}

func measure(ctx context.Context, n int) (*figures, error) {
	p, err := product.Start(ctx, product.SQLite)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	if _, err := p.AddAgent(ctx, node, "--no-machines"); err != nil {
		return nil, err
	}
	if _, err := p.Client.Scripts().Create(ctx, name, []byte(script)); err != nil {
		return nil, err
	}
	file := filepath.Join(p.Dir, "script")
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		return nil, err
	}
	bare := func() error { return exec.CommandContext(ctx, file).Run() }
	job := api.JobCreate{Script: name, Node: node}
	if _, err := product.Flood(ctx, p.Client, job, 100); err != nil { // the agent has the script
		return nil, err
	}
	// The limit is measured before and after, as the host's speed drifts.
	before, err := each(n/2, bare)
	if err != nil {
		return nil, err
	}
	took, err := product.Flood(ctx, p.Client, job, n)
	if err != nil {
		return nil, err
	}
	after, err := each(n/2, bare)
	if err != nil {
		return nil, err
	}
	f := &figures{ScriptsPerSecond: report.Round(float64(n)/took.Seconds(), 0), ForkExecPerSecond: report.Round(2/(before+after).Seconds(), 0)}
	f.Ratio = report.Round(f.ScriptsPerSecond/f.ForkExecPerSecond, 2)
	return f, f.costs(ctx, p.Dir, file)
}

// each runs f n times, as many at a time as there are places, and returns the
// time for one.
func each(n int, f func() error) (time.Duration, error) {
	var wg sync.WaitGroup
	errs := make([]error, places)
	start := time.Now()
	for w := range places {
		wg.Go(func() {
			for range n / places {
				if err := f(); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start) / time.Duration(n)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return took, nil
}

// rounds and costRuns are how often the costs are measured by turns, and how many
// commands a turn has.
const (
	rounds   = 5
	costRuns = 200
)

// costs measures what the driver adds to a bare start of a command.
func (f *figures) costs(ctx context.Context, dir, file string) error {
	driver, err := host.New(host.Config{Parent: fmt.Sprintf("atoll/bench-%d", os.Getpid()), Work: filepath.Join(dir, "work"), Homes: filepath.Join(dir, "homes")})
	if err != nil {
		return err
	}
	defer driver.Close()
	// As the agent does it: root executes the script where it is kept, and a user's
	// command finds it in the folder that it runs in.
	folder := filepath.Join(dir, "work", "bench")
	if err := errors.Join(os.Chmod(dir, 0o711), os.Mkdir(folder, 0o711), os.WriteFile(filepath.Join(folder, "script"), []byte(script), 0o755)); err != nil {
		return err
	}
	var mu sync.Mutex
	var serial int
	run := func(as string) func() error {
		return func() error {
			mu.Lock()
			serial++
			name := fmt.Sprintf("bench-%d", serial)
			mu.Unlock()
			cmd := sal.Command{Name: name, Argv: []string{file}, RunAs: as}
			if as != cloud.RunAsRoot {
				cmd.Dir, cmd.Argv = folder, []string{"./script"}
			}
			exit, err := driver.Run(ctx, cmd)
			if err == nil && exit.Code != 0 {
				err = fmt.Errorf("the command exited %d: %s", exit.Code, exit.Detail)
			}
			return err
		}
	}
	var took [3]time.Duration
	for range rounds {
		for i, start := range []func() error{
			func() error { return exec.CommandContext(ctx, file).Run() },
			run(cloud.RunAsRoot),
			run(fmt.Sprint(host.DefaultFirstUser)),
		} {
			d, err := each(costRuns, start)
			if err != nil {
				return err
			}
			took[i] += d / rounds
		}
	}
	us := func(d time.Duration) float64 { return report.Round(float64(d.Nanoseconds())/1000, 0) }
	f.Cgroup, f.User = us(took[1]-took[0]), us(took[2]-took[1])
	return nil
}
