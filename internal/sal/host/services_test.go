package host

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// servicesTest is a driver of services whose agent can be replaced.
type servicesTest struct {
	*testing.T
	p   *Processes
	dir string
	s   *Services
}

func newServicesTest(t *testing.T, m mounts) *servicesTest {
	p := newTest(t, m)
	v := &servicesTest{T: t, p: p, dir: filepath.Join(filepath.Dir(p.cfg.Work), "services")}
	v.open()
	t.Cleanup(func() {
		for _, st := range v.s.List() {
			if err := v.s.Delete(context.Background(), st.ID); err != nil {
				t.Error(err)
			}
		}
		v.s.Close()
		for _, dir := range v.s.tree.dirs {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("the cgroup %s is left", dir)
			}
		}
	})
	return v
}

// open begins the life of an agent.
func (v *servicesTest) open() {
	v.Helper()
	s, err := NewServices(v.p, v.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		v.Fatal(err)
	}
	v.s = s
}

func (v *servicesTest) spec(id, shell string) sal.ServiceSpec {
	return sal.ServiceSpec{ID: id, RunAs: "uid:10001", Argv: []string{"sh", "-c", shell}, Restart: sal.RestartAlways}
}

func (v *servicesTest) ensure(spec sal.ServiceSpec) {
	v.Helper()
	if err := v.s.Ensure(v.Context(), spec); err != nil {
		v.Fatal(err)
	}
}

// until waits until the service is as it should be.
func (v *servicesTest) until(id, what string, ok func(sal.ServiceStatus) bool) sal.ServiceStatus {
	v.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		st, err := v.s.Status(id)
		if err == nil && ok(st) {
			return st
		}
		if time.Now().After(end) {
			v.Fatalf("%s is not %s: %+v, %v", id, what, st, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// untilLog waits until the log holds the text.
func (v *servicesTest) untilLog(id, text string) string {
	v.Helper()
	var log string
	v.until(id, "writing "+text, func(sal.ServiceStatus) (done bool) {
		var err error
		if log, err = v.s.Log(id, 4096); err != nil {
			v.Fatal(err)
		}
		return strings.Contains(log, text)
	})
	return log
}

func (v *servicesTest) pids(id string) []int {
	pids, err := processesIn(filepath.Join(v.s.tree.dirs[0], id))
	if err != nil {
		v.Fatal(err)
	}
	return pids
}

func TestServices(t *testing.T) {
	for name, m := range hostMounts(t) {
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]func(*servicesTest){
				"life": serviceLife, "outlives the agent": serviceOutlives, "restarts": serviceRestarts,
				"refusals": serviceRefusals, "log": serviceLog,
			} {
				t.Run(name, func(t *testing.T) { test(newServicesTest(t, m)) })
			}
		})
	}
}

func serviceLife(v *servicesTest) {
	show := filepath.Join(filepath.Dir(v.p.cfg.Work), "release")
	if err := os.Mkdir(show, 0o755); err != nil {
		v.Fatal(err)
	}
	spec := v.spec("a", `echo "hello from $(id -u) in $(pwd)"; touch x || echo read-only; (setsid sleep 600 &); exec sleep 600`)
	spec.Show, spec.Dir = []string{show}, show
	v.ensure(spec)
	if log := v.untilLog("a", "read-only"); !strings.Contains(log, "hello from 10001 in "+show+"\n") {
		v.Errorf("log %q", log)
	}
	before := v.s.services["a"].rec.PID
	spec.Note = []byte(`{"port":1}`)
	v.ensure(spec)
	if st, _ := v.s.Status("a"); v.s.services["a"].rec.PID != before || string(st.Note) != `{"port":1}` {
		v.Errorf("the same specification restarted it, or its note is lost: %+v", st)
	}
	spec.Argv = []string{"sleep", "601"}
	v.ensure(spec)
	if after := v.pids("a"); len(after) != 1 || after[0] == before {
		v.Errorf("another specification: processes %v, before %v", after, before)
	}
	if err := v.s.Stop(v.Context(), "a"); err != nil {
		v.Fatal(err)
	}
	if st, _ := v.s.Status("a"); st.Running || st.Wanted || len(v.pids("a")) != 0 {
		v.Errorf("after Stop: %+v, processes %v", st, v.pids("a"))
	}
	v.ensure(spec)
	if err := v.s.Delete(v.Context(), "a"); err != nil {
		v.Fatal(err)
	}
	if _, err := v.s.Status("a"); !cloud.Is(err, cloud.NotFound) || len(v.pids("a")) != 0 {
		v.Errorf("after Delete: %v, processes %v", err, v.pids("a"))
	}
	if left, _ := os.ReadDir(v.dir); len(left) != 0 {
		v.Errorf("after Delete %v is left", left)
	}
	if err := v.s.Delete(v.Context(), "a"); err != nil {
		v.Errorf("Delete again: %v", err)
	}
}

func serviceOutlives(v *servicesTest) {
	v.ensure(v.spec("stays", "exec sleep 600"))
	v.ensure(v.spec("goes", "exec sleep 600"))
	v.ensure(v.spec("stopped", "exec sleep 600"))
	if err := v.s.Stop(v.Context(), "stopped"); err != nil {
		v.Fatal(err)
	}
	stays, goes := v.pids("stays"), v.pids("goes")
	v.s.Close()
	if !slices.Equal(v.pids("stays"), stays) {
		v.Fatal("the end of the agent ended a service")
	}
	signalProcesses(filepath.Join(v.s.tree.dirs[0], "goes"), goes, 9)
	waitUntil(func() bool { return len(v.pids("goes")) == 0 })
	if _, err := v.p.Remnants(v.Context()); err != nil { // what the next agent does first
		v.Fatal(err)
	}
	v.open()
	if st, _ := v.s.Status("stays"); !st.Running || !slices.Equal(v.pids("stays"), stays) {
		v.Errorf("not adopted: %+v, processes %v, before %v", st, v.pids("stays"), stays)
	}
	v.until("goes", "started again", func(st sal.ServiceStatus) bool { return st.Running && st.Ended != "" })
	if st, _ := v.s.Status("stopped"); st.Running {
		v.Error("a service that was stopped is started again")
	}
	// An adopted one is watched as any other.
	signalProcesses(filepath.Join(v.s.tree.dirs[0], "stays"), stays, 9)
	v.until("stays", "restarted", func(st sal.ServiceStatus) bool {
		return st.Running && st.Failures == 1 && !slices.Equal(v.pids("stays"), stays)
	})
	if err := v.s.Stop(v.Context(), "stays"); err != nil {
		v.Fatal(err)
	}
}

func serviceRestarts(v *servicesTest) {
	for policy, restarts := range map[sal.Restart]bool{sal.RestartAlways: true, sal.RestartOnFailure: false, sal.RestartNever: false} {
		spec := v.spec("ok-"+string(policy), "echo again; exit 0")
		spec.Restart = policy
		v.ensure(spec)
		if restarts {
			v.untilLog(spec.ID, "again\nagain\n")
			continue
		}
		v.until(spec.ID, "ended", func(st sal.ServiceStatus) bool { return !st.Running && st.Ended == "it ended with exit code 0" })
	}
	spec := v.spec("bad", "echo again; kill -KILL $$")
	spec.Restart = sal.RestartOnFailure
	v.ensure(spec)
	v.untilLog("bad", "again\nagain\n")
	hog := v.spec("hog", "head -c 400M /dev/zero | tail -n 1; sleep 600")
	hog.Restart, hog.Limits = sal.RestartNever, sal.Limits{MemoryMiB: 64}
	hog.Argv = []string{"tail", "-n", "1", "/dev/zero"}
	v.ensure(hog)
	v.until("hog", "out of memory", func(st sal.ServiceStatus) bool { return strings.Contains(st.Ended, "64 MiB") })
}

func serviceRefusals(v *servicesTest) {
	root := v.spec("root", "true")
	root.RunAs = cloud.RunAsRoot
	escape := v.spec("../x", "true")
	dir := v.spec("dir", "true")
	dir.Dir = "/etc"
	none := v.spec("none", "true")
	none.Argv = []string{"/no/such/program"}
	for spec, kind := range map[*sal.ServiceSpec]cloud.ErrorKind{&root: cloud.Denied, &escape: cloud.Invalid, &dir: cloud.Denied, &none: cloud.Invalid} {
		if err := v.s.Ensure(v.Context(), *spec); !cloud.Is(err, kind) {
			v.Errorf("Ensure(%s) = %v, want kind %s", spec.ID, err, kind)
		}
		if st, err := v.s.Status(spec.ID); err == nil && (st.Running || st.Wanted) {
			v.Errorf("%s: %+v", spec.ID, st)
		}
	}
	if err := v.s.Stop(v.Context(), "unknown"); !cloud.Is(err, cloud.NotFound) {
		v.Errorf("Stop of an unknown service: %v", err)
	}
}

func serviceLog(v *servicesTest) {
	v.ensure(v.spec("log", `i=0; while [ $i -lt 200 ]; do echo "line $i"; i=$((i+1)); done; printf 'bad \377 end\n'; exec sleep 600`))
	v.untilLog("log", "bad \uFFFD end")
	if err := v.s.services["log"].cutLog(100); err != nil {
		v.Fatal(err)
	}
	got, err := v.s.Log("log", 50)
	if err != nil || !strings.HasSuffix(got, "line 199\nbad \uFFFD end\n") || len(got) > 60 {
		v.Errorf("Log after it was cut = %q, %v", got, err)
	}
	if st, err := os.Stat(filepath.Join(v.dir, "log", logFile)); err != nil || st.Size() != 0 {
		v.Errorf("the log was not cut: %v, %v", st, err)
	}

	// On a full disk nothing can be copied.
	file, old := filepath.Join(v.dir, "log", logFile), filepath.Join(v.dir, "log", oldLog)
	if err := errors.Join(os.Remove(old), os.Mkdir(old, 0o700), os.WriteFile(file, make([]byte, 200), 0o600)); err != nil {
		v.Fatal(err)
	}
	if err := v.s.services["log"].cutLog(100); err == nil {
		v.Error("a log that cannot be copied is no error")
	}
	if st, err := os.Stat(file); err != nil || st.Size() != 0 {
		v.Errorf("a log that cannot be copied was not cut: %v, %v", st, err)
	}
}
