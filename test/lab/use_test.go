package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"atoll/internal/agent"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/process"
	"atoll/internal/sal"
	"atoll/internal/sal/host"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// addRunner joins this host as a runner, whose deployments are processes, and returns
// the address where they are visited.
func (l *Lab) addRunner(name string) (address string) {
	t := l.T
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("deployments run in cgroups and namespaces: run this test as root")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	// Not below /tmp, which projects' processes do not see.
	data, err := os.MkdirTemp("/var/lib", "atoll-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	processes, err := host.New(host.Config{
		Parent: fmt.Sprintf("atoll-test-%d/lab-%s", os.Getpid(), name), Work: data + "/work", Homes: data + "/homes", Hide: []string{data},
	})
	if err != nil {
		t.Fatal(err)
	}
	services, err := host.NewServices(processes, data+"/services", l.Log)
	if err != nil {
		t.Fatal(err)
	}
	bundle := process.New(process.Config{Services: services, Homes: data + "/homes", Listen: address, Log: l.Log})
	a, err := agent.New(agent.Config{
		Servers: []string{l.Agents}, DataDir: data, WorkDir: data + "/work", Name: name, Version: "lab", Log: l.Log, Backoff: 200 * time.Millisecond,
		Node:    sal.Node{Host: &host.Host{Volumes: data}, Processes: processes, Services: services},
		Process: bundle, Roles: []cloud.Role{cloud.RoleRunner},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Join(t.Context(), l.join); err != nil {
		t.Fatal(err)
	}
	n := &Node{Name: name}
	l.run(n, a)
	t.Cleanup(func() {
		n.Stop()
		for _, st := range services.List() { // they outlive the agent
			if err := services.Delete(context.Background(), st.ID); err != nil {
				t.Error(err)
			}
		}
		bundle.Close()
		services.Close()
		if err := processes.Close(); err != nil {
			t.Error(err)
		}
	})
	l.WaitNode(name, cloud.NodeOnline)
	return address
}

// visit asks for a deployment by its name, as a browser does.
func (l *Lab) visit(address, name string) (status int) {
	l.T.Helper()
	r, err := http.NewRequestWithContext(l.T.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		l.T.Fatal(err)
	}
	r.Host = name
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		l.T.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		l.T.Fatal(err)
	}
	return res.StatusCode
}

// A deployment that somebody visits is kept; one that only its checks ask is announced,
// and archived after that.
func TestVisitedDeploymentIsKept(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 0, sim.Config{})
	ctx := t.Context()
	address := l.addRunner("runner")
	p := l.project("shop", time.Second)
	ref := control.ProjectRef{Project: string(p.ID)}
	if _, err := l.Control.CreateBundle(ctx, l.Admin, control.NewBundle{Project: ref, Kind: cloud.BundleProcess, Use: true}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Control.UpdateProject(ctx, l.Admin, ref, control.ProjectChange{Times: control.ProjectTimes{IdleTTL: ptr(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	const server = `exec perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, Listen => 9, ReuseAddr => 1);
		while (my $c = $s->accept) { while (<$c>) { last if /^\r?$/ } print $c "HTTP/1.0 200 OK\r\n\r\nok\n"; close $c }'`
	for _, name := range []string{"visited", "idle"} {
		_, o, err := l.Control.CreateDeployment(ctx, l.Admin, control.NewDeployment{
			Project: string(p.ID), Name: name,
			Deployment: cloud.Overrides{{Key: "command", Value: server}, {Key: "health", Value: "/"}, {Key: "start_timeout", Value: "30s"}},
		})
		l.Done(o, err)
	}
	long := cloud.Now().Add(-100 * time.Hour)
	at := strconv.FormatInt(int64(long), 10)
	storetest.Exec(t, l.DB, "UPDATE deployments SET used_at = "+at+", deployed_at = "+at+", created_at = "+at)
	if status := l.visit(address, "visited.staging.example.com"); status != http.StatusOK {
		t.Fatalf("the deployment answers %d", status)
	}
	l.Until("the visit is known, and ends a notice", func() bool {
		d := l.deployment(p, "visited")
		return cloud.Now().Sub(d.UsedAt) < time.Minute && d.IdleWarnedAt == 0
	})
	l.Until("the notice of the other one", func() bool {
		list, _, err := l.Control.Events(ctx, l.Admin, store.Query{Filter: []string{"action=deployment.expires", "subject=" + string(l.deployment(p, "idle").ID)}})
		if err != nil {
			t.Fatal(err)
		}
		return len(list) == 1
	})
	checked := cloud.Now()
	l.Until("another check", func() bool { return l.deployment(p, "idle").CheckedAt > checked })
	if d := l.deployment(p, "idle"); d.State != cloud.DeploymentRunning || d.UsedAt != long || d.IdleWarnedAt == 0 {
		t.Errorf("checked and not visited it is %s, used %s, warned %s", d.State, d.UsedAt.Time(), d.IdleWarnedAt.Time())
	}
	storetest.Exec(t, l.DB, "UPDATE deployments SET idle_warned_at = "+at+" WHERE idle_warned_at > 0")
	l.Until("it is archived", func() bool { return l.deployment(p, "idle").State == cloud.DeploymentArchived })
	if status := l.visit(address, "idle.staging.example.com"); status != http.StatusServiceUnavailable {
		t.Errorf("the archived deployment answers %d", status)
	}
	l.upkeep()
	if d := l.deployment(p, "visited"); d.State != cloud.DeploymentRunning || d.IdleWarnedAt != 0 {
		t.Errorf("the visited deployment is %s, warned %s", d.State, d.IdleWarnedAt.Time())
	}
	l.Sound()
}
