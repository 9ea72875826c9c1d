package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// lines are the texts of a job's log.
func lines(t *testing.T, log []byte) []string {
	t.Helper()
	var out []string
	for line := range bytes.Lines(log) {
		var l wire.LogLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("line %q of the log: %v", line, err)
		}
		out = append(out, l.Text)
	}
	return out
}

func TestLogOfAShortJob(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	j := l.jobEnds(l.Controller, l.command(l.Controller, "sim-1", "echo", "one\ntwo").ID)
	var log bytes.Buffer
	if err := l.Control.JobLog(t.Context(), l.Admin, j.ID, 0, true, &log); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, log.Bytes()); len(got) != 2 || got[0] != "one" || got[1] != "two" || j.Segments != 0 {
		t.Errorf("log = %q in %d segments", got, j.Segments)
	}
	var rest bytes.Buffer
	first := bytes.IndexByte(log.Bytes(), '\n') + 1
	if err := l.Control.JobLog(t.Context(), l.Admin, j.ID, int64(first), false, &rest); err != nil || !bytes.Equal(rest.Bytes(), log.Bytes()[first:]) {
		t.Errorf("from byte %d on: %q, %v", first, rest.Bytes(), err)
	}
}

func TestLogOfLongOutputIsFollowed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		var text strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&text, "line %04d of a long output\n", i)
		}
		j := l.command(l.Controller, "sim-1", "echo", text.String())
		var log bytes.Buffer
		if err := l.Control.JobLog(t.Context(), l.Admin, j.ID, 0, true, &log); err != nil { // from before it starts to its end
			t.Fatal(err)
		}
		j = l.jobEnds(l.Controller, j.ID)
		got := lines(t, log.Bytes())
		if len(got) < 2000 || got[0] != "line 0000 of a long output" || got[1999] != "line 1999 of a long output" || j.Segments == 0 {
			t.Errorf("%d lines in %d segments", len(got), j.Segments)
		}
		half := int64(log.Len() / 2)
		var rest bytes.Buffer
		if err := l.Control.JobLog(t.Context(), l.Admin, j.ID, half, false, &rest); err != nil || !bytes.Equal(rest.Bytes(), log.Bytes()[half:]) {
			t.Errorf("from byte %d on: %d bytes, %v; want %d", half, rest.Len(), err, int64(log.Len())-half)
		}
	})
}

func TestScriptOnSimulatedNodes(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 3, sim.Config{})
	source := []byte("#!/bin/sh\n# ---\n# description: greets\n# parameters: {type: object, required: [who], properties: {who: {type: string}}}\n# ---\necho hello\n")
	if _, err := l.Control.CreateScript(t.Context(), l.Admin, "", "greet", source); err != nil {
		t.Fatal(err)
	}
	_, err := l.Control.StartRun(t.Context(), l.Admin, control.Run{Script: "greet", All: true})
	if !cloud.Is(err, cloud.Invalid) {
		t.Errorf("run without its argument = %v, want invalid", err)
	}
	o, err := l.Control.StartRun(t.Context(), l.Admin, control.Run{Script: "greet", Args: []byte(`{"who": "you"}`), All: true})
	if err != nil {
		t.Fatal(err)
	}
	if o = l.Ended(o.ID); o.State != cloud.OperationFailed || !strings.Contains(o.Error, "3 of 3 nodes failed") {
		t.Errorf("operation = %s: %s", o.State, o.Error)
	}
	jobs, err := l.Control.OperationJobs(t.Context(), l.Admin, o.ID)
	if err != nil || len(jobs) != 3 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	for _, j := range jobs { // the body was fetched and its signature was good, or it were refused before
		if j.State != cloud.JobFailed || j.ExitCode != 127 || !j.Simulated {
			t.Errorf("job = %s, exit code %d, simulated %t, %q %q; want failed with 127", j.State, j.ExitCode, j.Simulated, j.Error, j.Output)
		}
	}

	// A body that was changed in the store is not run.
	storetest.Exec(t, l.DB, "UPDATE scripts SET signature = replace(signature, substr(signature, 1, 4), 'AAAA')")
	o, err = l.Control.StartRun(t.Context(), l.Admin, control.Run{Script: "greet", Args: []byte(`{"who": "you"}`), Nodes: []string{"sim-1"}})
	if err != nil {
		t.Fatal(err)
	}
	l.Ended(o.ID)
	if jobs, err = l.Control.OperationJobs(t.Context(), l.Admin, o.ID); err != nil || jobs[0].State != cloud.JobFailed || !strings.Contains(jobs[0].Error, "not signed") {
		t.Errorf("job with a bad signature = %+v, %v", jobs, err)
	}
}

func TestScheduleOfAScriptOnAllNodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 3, sim.Config{})
		source := []byte("#!/bin/sh\n# ---\n# description: looks\n# every: 2s\n# ---\ntrue\n")
		if _, err := l.Control.CreateScript(t.Context(), l.Admin, "", "look", source); err != nil {
			t.Fatal(err)
		}
		s, err := l.Control.Schedule(t.Context(), l.Admin, "", "look")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[cloud.JobID]cloud.Job{}
		look := func() {
			list, _, err := l.Control.Jobs(t.Context(), l.Admin, control.Query{Limit: 200})
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range list {
				if j.ScheduleID == s.ID {
					seen[j.ID] = j
				}
			}
		}
		l.Until("three periods on three nodes", func() bool { look(); return len(seen) >= 9 })
		if s, err = l.Control.PauseSchedule(t.Context(), l.Admin, "", "look"); err != nil || !s.Paused {
			t.Fatalf("pause = %+v, %v", s, err)
		}
		look()
		nodes := map[cloud.NodeID]int{}
		periods := map[int64]int{}
		for _, j := range seen {
			nodes[j.TargetNode]++
			periods[int64(j.CreatedAt)]++
		}
		for _, n := range periods {
			if n != 3 {
				t.Errorf("a period made %d jobs, want one for each of three nodes", n)
			}
		}
		for id, n := range nodes {
			if n != len(periods) {
				t.Errorf("node %s got %d jobs in %d periods", id, n, len(periods))
			}
		}
		before := len(seen)
		if s, err = l.Control.ResumeSchedule(t.Context(), l.Admin, "", "look"); err != nil || s.Paused {
			t.Fatalf("resume = %+v, %v", s, err)
		}
		l.Until("it goes on", func() bool { look(); return len(seen) > before })
	})
}
