package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/api"
)

// A check that finds nothing proves nothing: each is shown what it must find.

func checked(t *testing.T, starts string, jobs ...api.Job) string {
	t.Helper()
	l := &load{world: &world{story: newStory(), dir: t.TempDir()}, jobs: map[string]bool{"gone": true}}
	if err := os.WriteFile(l.starts(), []byte(starts), 0o600); err != nil {
		t.Fatal(err)
	}
	l.checkList(jobs)
	return strings.Join(l.wrong, "\n")
}

func TestCheckOfJobs(t *testing.T) {
	now := time.Now()
	command := func(id, state, tag string) api.Job {
		return api.Job{ID: id, Action: "command", State: state, FinishedAt: now, Attempts: 1, Attempt: 1, Args: fmt.Appendf(nil, `{"argv":["sh","tag-%s"]}`, tag)}
	}
	keyed := func(id string) api.Job {
		j := command(id, "succeeded", id)
		j.Key = "k"
		return j
	}
	running := command("a", "running", "1")
	running.FinishedAt = time.Time{}
	for _, tt := range []struct {
		name, starts string
		jobs         []api.Job
		want         string // "" for nothing but the job that is gone
	}{
		{"fine", "S a\nS b\nE b\n", []api.Job{command("a", "succeeded", "1"), command("b", "succeeded", "2")}, ""},
		{"twice", "S a\nS a\n", []api.Job{command("a", "succeeded", "1")}, "started 2 times"},
		{"never", "", []api.Job{command("a", "succeeded", "1")}, "never started"},
		{"failed", "S a\n", []api.Job{command("a", "failed", "1")}, "for no reason"},
		{"not ended", "S a\n", []api.Job{running}, "has not ended"},
		{"made twice", "S a\nS b\n", []api.Job{command("a", "succeeded", "1"), command("b", "succeeded", "1")}, "made two jobs"},
		{"unknown", "S x\n", nil, "which is not there"},
		{"one key at once", "S a\nS b\nE a\nE b\n", []api.Job{keyed("a"), keyed("b")}, "at the same time"},
		{"one key in turn", "S a\nE a\nS b\nE b\n", []api.Job{keyed("a"), keyed("b")}, ""},
		{"one key after a kill", "S a\nS b\nE b\n", []api.Job{keyed("a"), keyed("b")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := checked(t, tt.starts, tt.jobs...)
			rest := strings.TrimSpace(strings.ReplaceAll(got, "job gone was acknowledged and is not there", ""))
			if rest == strings.TrimSpace(got) {
				t.Errorf("the check does not miss the job that is gone: %q", got)
			}
			if (rest == "") != (tt.want == "") || !strings.Contains(rest, tt.want) {
				t.Errorf("the check says %q, want %q", rest, tt.want)
			}
		})
	}
}

func TestCheckOfDeaths(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	p := &process{deaths: []span{{at(10), at(11)}, {at(20), at(21)}}}
	for held, want := range map[span]bool{
		{at(0), at(9)}:   false,
		{at(0), at(10)}:  true,
		{at(11), at(12)}: true,
		{at(12), at(19)}: false,
		{at(12), at(30)}: true,
		{at(22), at(30)}: false,
	} {
		if got := p.diedIn(held); got != want {
			t.Errorf("died while it held a job from %v: %t", held, got)
		}
	}
}

func TestCheckOfLeaks(t *testing.T) {
	dir := t.TempDir()
	w := &world{story: newStory(), dir: dir}
	for _, f := range []string{"journal", "journal.new", "work/x", "spool"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.checkAgent(dir)
	got := strings.Join(w.wrong, "\n")
	for _, want := range []string{"left " + dir + "/journal.new", "left " + dir + "/work/x", "1 bytes of output in " + dir + "/spool"} {
		if !strings.Contains(got, want) {
			t.Errorf("the check says %q, want %q", got, want)
		}
	}
	if len(w.wrong) != 3 {
		t.Errorf("the check says %q", got)
	}
	cmd := exec.Command("sleep", "60")
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	left := leftProcesses(dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	if len(left) != 1 || len(leftProcesses(dir)) != 0 {
		t.Errorf("left processes: %v, and when it had ended %v", left, leftProcesses(dir))
	}
}

// The seeds of make test have real machines on both databases.
func TestSeedsHaveEverything(t *testing.T) {
	metal := map[bool][]uint64{}
	for n := uint64(1); n <= 50; n++ {
		if s := draw(rand.New(rand.NewPCG(n, 0))); s.metal {
			metal[s.postgres] = append(metal[s.postgres], n)
		}
	}
	t.Logf("real machines on SQLite: %v, on PostgreSQL: %v", metal[false], metal[true])
	if len(metal[false]) == 0 || len(metal[true]) == 0 {
		t.Error("real machines are not tried on both databases")
	}
}
