// Package process tests deployments that are processes: the bundle builtin:process
// over the real driver, with the application of examples/hello. It must never need a
// controller.
package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/process"
	"atoll/internal/sal"
	"atoll/internal/sal/host"
	"atoll/internal/wire"
)

// runner is a node with the bundle, whose agent can be replaced.
type runner struct {
	*testing.T
	data      string
	address   string
	processes *host.Processes
	services  *host.Services
	bundle    *process.Bundle
}

func newRunner(t *testing.T) *runner {
	if os.Geteuid() != 0 {
		t.Fatal("deployments run in cgroups and namespaces: run this test as root")
	}
	// Not below /tmp, which projects' processes do not see.
	data, err := os.MkdirTemp("/var/lib", "atoll-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	r := &runner{T: t, data: data, address: freeAddress(t)}
	for _, version := range []string{"1", "2"} {
		b, err := os.ReadFile("../../examples/hello/" + version + "/hello")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(r.release(version), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.release(version)+"/hello", b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.processes, err = host.New(host.Config{
		Parent: fmt.Sprintf("atoll-test-%d/process", os.Getpid()), Work: data + "/work", Homes: data + "/homes", Hide: []string{data},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.open()
	t.Cleanup(func() {
		for _, st := range r.services.List() {
			if err := r.services.Delete(context.Background(), st.ID); err != nil {
				t.Error(err)
			}
		}
		r.close()
		if err := r.processes.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// freeAddress is an address where nothing listens.
func freeAddress(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// open begins the life of an agent, close ends it.
func (r *runner) open() {
	r.Helper()
	log := slog.New(slog.DiscardHandler)
	var err error
	if r.services, err = host.NewServices(r.processes, r.data+"/services", log); err != nil {
		r.Fatal(err)
	}
	r.bundle = process.New(process.Config{Services: r.services, Homes: r.data + "/homes", Listen: r.address, Log: log})
}

func (r *runner) close() {
	r.bundle.Close()
	r.services.Close()
}

func (r *runner) release(version string) string { return filepath.Join(r.data, "release-"+version) }

// fetch stands for the agent's cache: an archive "version" is its release.
func (r *runner) fetch(_ context.Context, url, sum string) (string, error) {
	if url != "" {
		return "", cloud.Errorf(cloud.Unavailable, "the archive at %s cannot be fetched", url)
	}
	return r.release(strings.TrimLeft(sum, "0")), nil
}

func archive(version string) string { return "atoll:" + strings.Repeat("0", 64-len(version)) + version }

// run runs a script for the deployment of the project's user.
func (r *runner) run(user, name string, s cloud.ControlScript, config ...string) (code int, stdout, output string) {
	r.Helper()
	run := wire.ControlRun{
		ProjectName: "shop", BaseDomain: "localhost", Namespace: "shop", Name: name, Script: s,
		Application: []cloud.KeyValue{{Key: "greeting", Value: "Hi"}},
	}
	for i := 0; i < len(config); i += 2 {
		run.Deployment = append(run.Deployment, cloud.KeyValue{Key: config[i], Value: config[i+1]})
	}
	var out, log bytes.Buffer
	code, err := r.bundle.Run(r.Context(), &run, user, &out, &log, r.fetch)
	if err != nil {
		r.Fatalf("%s: %v\n%s", s, err, log.String())
	}
	return code, out.String(), log.String()
}

func (r *runner) must(name string, s cloud.ControlScript, config ...string) string {
	r.Helper()
	code, stdout, output := r.run("10001", name, s, config...)
	if code != 0 {
		r.Fatalf("%s %s answers %d: %s%s", s, name, code, stdout, output)
	}
	return stdout
}

// get asks for a page of a deployment by its name.
func (r *runner) get(host string) (status int, text string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+r.address+"/", nil)
	if err != nil {
		r.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (r *runner) wantPage(host string, status int, text string) {
	r.Helper()
	if s, got := r.get(host); s != status || got != text {
		r.Errorf("%s answers %d %q, want %d %q", host, s, got, status, text)
	}
}

func hello(version string) []string {
	return []string{"archive", archive(version), "command", "./hello", "health", "/health", "start_timeout", "20s"}
}

func TestDeployment(t *testing.T) {
	r := newRunner(t)
	r.must("orange", cloud.ScriptConfigCheck, hello("1")...)
	began := time.Now()
	r.must("orange", cloud.ScriptCreate, hello("1")...)
	t.Logf("created in %s", time.Since(began))
	_, port, _ := net.SplitHostPort(r.address)
	if info := r.must("orange", cloud.ScriptInfo, hello("1")...); info != "app,http://orange.localhost:"+port+"\n" {
		t.Errorf("info answers %q", info)
	}
	r.wantPage("orange.localhost:"+port, 200, "Hi from orange, version 1, visit 1\n")
	r.must("orange", cloud.ScriptCheck, hello("1")...)
	if code, _, output := r.run("10001", "orange", cloud.ScriptCheck, hello("2")...); code != 3 {
		t.Errorf("check with another configuration = %d, %s; want 3", code, output)
	}

	r.must("orange", cloud.ScriptUpdate, hello("2")...)
	r.wantPage("ORANGE.localhost", 200, "Hi from orange, now version 2, visit 2\n")

	r.close() // the agent is replaced, the deployment goes on
	r.open()
	r.wantPage("orange.localhost", 200, "Hi from orange, now version 2, visit 3\n")

	r.must("orange", cloud.ScriptArchive, hello("2")...)
	r.must("orange", cloud.ScriptArchiveCheck, hello("2")...)
	r.wantPage("orange.localhost", 503, "The deployment orange.localhost is stopped.\n")
	if code, _, _ := r.run("10001", "orange", cloud.ScriptCheck, hello("2")...); code != 1 {
		t.Errorf("check of an archived deployment = %d", code)
	}
	r.must("orange", cloud.ScriptUnarchive, hello("2")...)
	r.wantPage("orange.localhost", 200, "Hi from orange, now version 2, visit 4\n")

	r.must("orange", cloud.ScriptCleanup, hello("2")...)
	if left := r.services.List(); len(left) != 0 {
		t.Errorf("after cleanup: %+v", left)
	}
	for _, dir := range []string{r.data + "/homes/10001/deployments/orange", r.data + "/services/10001.orange"} {
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("after cleanup %s is left", dir)
		}
	}
	if conn, err := net.Dial("tcp", r.address); err == nil {
		conn.Close()
		t.Error("after the last deployment is gone, somebody listens still")
	}
	r.must("orange", cloud.ScriptCleanup, hello("2")...)
}

func TestProjectsDoNotMeet(t *testing.T) {
	r := newRunner(t)
	r.must("one", cloud.ScriptCreate, hello("1")...)
	if code, stdout, _ := r.run("10002", "one", cloud.ScriptConfigCheck, hello("1")...); code != 1 || !strings.Contains(stdout, "one.localhost leads to a deployment of another project") {
		t.Errorf("another project's name: %d %q", code, stdout)
	}
	r.wantPage("two.localhost", 404, "There is no deployment two.localhost on this runner.\n")
	// Another project's process takes the port that was this one's.
	st, err := r.services.Status("10001.one")
	if err != nil {
		t.Fatal(err)
	}
	port := ""
	for _, e := range st.Env {
		if v, ok := strings.CutPrefix(e, "PORT="); ok {
			port = v
		}
	}
	r.must("one", cloud.ScriptArchive, hello("1")...)
	thief := sal.ServiceSpec{
		ID: "thief", RunAs: "10002", Argv: []string{r.release("1") + "/hello"}, Show: []string{r.release("1")}, Restart: sal.RestartAlways,
		Env: []string{"PORT=" + port, "DATA_DIR=/tmp", "DEPLOYMENT_NAME=thief"},
	}
	if err := r.services.Ensure(t.Context(), thief); err != nil {
		t.Fatal(err)
	}
	waitForPort(t, port)
	if code, _, output := r.run("10001", "one", cloud.ScriptUnarchive, append(hello("1"), "start_timeout", "2s")...); code != 1 || !strings.Contains(output, "another program of the runner listens") {
		t.Errorf("unarchive while another holds the port: %d %s", code, output)
	}
	if status, text := r.get("one.localhost"); status != 502 || strings.Contains(text, "thief") {
		t.Errorf("the proxy leads to another project: %d %s", status, text)
	}
}

func waitForPort(t *testing.T, port string) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestRefusals(t *testing.T) {
	r := newRunner(t)
	for _, tt := range []struct {
		config []string
		says   string
	}{
		{nil, "command: is required"},
		{[]string{"command", "x", "colour", "red"}, "colour: is no key of this bundle"},
		{[]string{"command", "x", "archive", "/etc/passwd"}, "neither a URL"},
		{[]string{"command", "x", "archive", "atoll:12"}, "sha256"},
		{[]string{"command", "x", "health", "health"}, "is no path"},
		{[]string{"command", "x", "start_timeout", "2h"}, "is no time up to 1h"},
		{[]string{"command", "x", "restart", "maybe"}, "none of always"},
		{[]string{"command", "x", "memory_mib", "1"}, "is no number from 48"},
	} {
		if code, stdout, _ := r.run("10001", "bad", cloud.ScriptConfigCheck, tt.config...); code != 1 || !strings.Contains(stdout, tt.says) {
			t.Errorf("config_check %q = %d %q, want %q", tt.config, code, stdout, tt.says)
		}
		if code, _, output := r.run("10001", "bad", cloud.ScriptCreate, tt.config...); code != 1 || !strings.Contains(output, tt.says) {
			t.Errorf("create %q = %d %q, want %q", tt.config, code, output, tt.says)
		}
	}
	for _, tt := range []struct {
		config []string
		says   string
	}{
		{[]string{"command", "echo 'no database' >&2; exit 3", "restart", "never"}, "no database"},
		{[]string{"command", "echo waiting; sleep 600", "start_timeout", "500ms"}, "not healthy after 500ms: the health check"},
		{[]string{"command", "x", "archive", "https://example.com/x.tar.gz"}, "cannot be fetched"},
	} {
		code, _, output := r.run("10001", "bad", cloud.ScriptCreate, tt.config...)
		if code != 1 || !strings.Contains(output, tt.says) {
			t.Errorf("create %q = %d %q, want %q", tt.config, code, output, tt.says)
		}
		if code, _, _ := r.run("10001", "bad", cloud.ScriptCheck, tt.config...); code != 1 {
			t.Errorf("check after a failed create = %d", code)
		}
		r.must("bad", cloud.ScriptCleanup)
	}
}
