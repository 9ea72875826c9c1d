// Package process is the bundle builtin:process: control scripts for which a
// deployment is a process on the runner, with a health check, a port and a log, and
// the reverse proxy by which its name leads to it (docs/process-bundle.md).
//
// It must never run anything itself: processes belong to the driver sal.Services,
// which keeps them when the agent ends, and with them all that this package knows.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// Config is what the bundle needs.
type Config struct {
	Services sal.Services
	Homes    string // folder with the home of each project's user
	// Listen is the address at which deployments are reached; it is taken while there
	// is one.
	Listen string
	Log    *slog.Logger
}

// Bundle runs the control scripts.
type Bundle struct {
	cfg   Config
	proxy *proxy

	mu      sync.Mutex // held while ports and names are given
	routing sync.Mutex // held while the proxy is told the routes: what is older must not come later
}

// note is what a service is to this bundle.
type note struct {
	Host    string `json:"host"`
	Port    int    `json:"port"`
	Health  string `json:"health"`
	Version string `json:"version"` // of the configuration that it runs with
}

// New returns the bundle; what an earlier agent left is reached at once. The caller
// calls Close.
func New(cfg Config) *Bundle {
	b := &Bundle{cfg: cfg, proxy: newProxy(cfg.Listen, cfg.Log)}
	if err := b.route(); err != nil {
		cfg.Log.Error("listen for the deployments of this node", "err", err)
	}
	return b
}

// Close ends the proxy. The deployments go on.
func (b *Bundle) Close() { b.proxy.close() }

// Used returns when the deployment was asked for last since the agent started, 0 for not
// at all.
func (b *Bundle) Used(run *wire.ControlRun) cloud.Time {
	return cloud.TimeOf(b.proxy.lastUse(hostOf(run)))
}

// route tells the proxy which deployments there are.
func (b *Bundle) route() error {
	b.routing.Lock()
	defer b.routing.Unlock()
	routes := map[string]route{}
	for _, st := range b.cfg.Services.List() {
		if n, ok := noteOf(st); ok {
			routes[n.Host] = route{port: n.Port, user: userOf(st.RunAs), wanted: st.Wanted}
		}
	}
	return b.proxy.set(routes)
}

func noteOf(st sal.ServiceStatus) (n note, ok bool) {
	return n, json.Unmarshal(st.Note, &n) == nil && n.Host != ""
}

func userOf(runAs string) int {
	id, err := strconv.Atoi(strings.TrimPrefix(runAs, "uid:"))
	if err != nil {
		return -1 // nobody's
	}
	return id
}

// script is one run of a control script.
type script struct {
	*Bundle
	run    *wire.ControlRun
	runAs  string
	stdout io.Writer
	stderr io.Writer
	fetch  func(ctx context.Context, url, sha256 string) (string, error)
}

// Run does what the script does and returns its exit code. An error is one of the
// node, or that ctx ended.
func (b *Bundle) Run(ctx context.Context, run *wire.ControlRun, runAs string, stdout, stderr io.Writer,
	fetch func(ctx context.Context, url, sha256 string) (string, error),
) (int, error) {
	s := &script{b, run, runAs, stdout, stderr, fetch}
	code, err := s.do(ctx)
	switch {
	case ctx.Err() != nil:
		return 1, context.Cause(ctx)
	case cloud.Is(err, cloud.Invalid), cloud.Is(err, cloud.Conflict), cloud.Is(err, cloud.NotFound), cloud.Is(err, cloud.Unavailable),
		cloud.Is(err, cloud.TooLarge), cloud.Is(err, cloud.Denied):
		s.complain("%s", cloud.UserMessage(err))
		return 1, nil
	}
	return code, err
}

// say tells how it goes on; only scripts that do not answer do.
func (s *script) say(format string, args ...any) { fmt.Fprintf(s.stdout, format+"\n", args...) }

// complain tells what is wrong.
func (s *script) complain(format string, args ...any) { fmt.Fprintf(s.stderr, format+"\n", args...) }

func (s *script) do(ctx context.Context) (int, error) {
	switch s.run.Script {
	case cloud.ScriptDeploymentConfig:
		for _, kv := range defaults {
			fmt.Fprintf(s.stdout, "%s,%s\n", kv.Key, kv.Value)
		}
		return 0, nil
	case cloud.ScriptDeploymentKeys:
		_, err := io.WriteString(s.stdout, strings.Join(keys, "\n")+"\n")
		return 0, err
	case cloud.ScriptConfigCheck:
		return s.configCheck()
	case cloud.ScriptInfo:
		_, err := fmt.Fprintf(s.stdout, "app,%s\n", s.url())
		return 0, err
	case cloud.ScriptCreate, cloud.ScriptUpdate, cloud.ScriptUnarchive:
		return s.ensure(ctx)
	case cloud.ScriptArchive:
		err := s.cfg.Services.Stop(ctx, s.id())
		if cloud.Is(err, cloud.NotFound) {
			err = nil // a create that never got so far
		}
		return 0, errors.Join(err, s.route())
	case cloud.ScriptArchiveCheck:
		return s.archiveCheck()
	case cloud.ScriptCheck:
		return s.check(ctx)
	case cloud.ScriptCleanup:
		return 0, s.cleanup(ctx)
	}
	return 0, nil // init, app_config, app_keys and notifications have nothing to do
}

// id names the service: the project's user, and the deployment.
func (s *script) id() string { return strings.TrimPrefix(s.runAs, "uid:") + "." + s.run.Name }

func (s *script) host() string { return hostOf(s.run) }

func hostOf(run *wire.ControlRun) string { return strings.ToLower(run.Name + "." + run.BaseDomain) }

func (s *script) url() string {
	_, port, err := net.SplitHostPort(s.cfg.Listen)
	if err != nil || port == "80" {
		return "http://" + s.host()
	}
	return "http://" + net.JoinHostPort(s.host(), port)
}

// data is the folder in which the deployment may write; it lasts until cleanup.
func (s *script) data() string {
	return filepath.Join(s.cfg.Homes, strings.TrimPrefix(s.runAs, "uid:"), dataFolder, s.run.Name)
}

const dataFolder = "deployments"

// configCheck says what is wrong on standard output, where the contract has it.
func (s *script) configCheck() (int, error) {
	_, err := parse(s.run)
	if err == nil {
		err = s.free()
	}
	if err != nil {
		fmt.Fprintln(s.stdout, cloud.UserMessage(err))
		return 1, nil
	}
	return 0, nil
}

// free checks that no other deployment of this node has the host name.
func (s *script) free() error {
	for _, st := range s.cfg.Services.List() {
		if n, ok := noteOf(st); ok && n.Host == s.host() && st.ID != s.id() {
			return cloud.Errorf(cloud.Conflict, "the name %s leads to a deployment of another project on this runner; give one of them another name or base domain", s.host())
		}
	}
	return nil
}

// ensure has the deployment run with its configuration, and waits until it is healthy.
func (s *script) ensure(ctx context.Context) (int, error) {
	c, err := parse(s.run)
	if err != nil {
		return 1, err
	}
	release := ""
	if c.url != "" || c.sha256 != "" {
		if release, err = s.fetch(ctx, c.url, c.sha256); err != nil {
			return 1, err
		}
	}
	n, err := s.start(ctx, c, release)
	if err != nil {
		return 1, err
	}
	s.say("started; waiting until it is healthy")
	began := time.Now()
	wait, cancel := context.WithTimeout(ctx, c.start)
	defer cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	var last error // that is not the end of the wait itself
	for every := 10 * time.Millisecond; ; every = min(2*every, time.Second) {
		select {
		case <-pause.C:
		case <-wait.Done():
		}
		err := s.healthy(wait, n)
		if wait.Err() == nil || last == nil {
			last = err
		}
		if err == nil {
			s.say("healthy after %s at %s", time.Since(began).Round(time.Millisecond), s.url())
			return 0, nil
		}
		if wait.Err() != nil {
			s.complain("not healthy after %s: %v", c.start, cloud.UserMessage(last))
			s.tellLog()
			return 1, nil
		}
		if st, statusErr := s.cfg.Services.Status(s.id()); statusErr == nil && !st.Running && c.restart == sal.RestartNever {
			s.complain("%s", st.Ended)
			s.tellLog()
			return 1, nil
		}
		pause.Reset(every)
	}
}

// start has the service run.
func (s *script) start(ctx context.Context, c *config, release string) (note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.free(); err != nil {
		return note{}, err
	}
	port, err := s.port()
	if err != nil {
		return note{}, err
	}
	n := note{Host: s.host(), Port: port, Health: c.health, Version: s.version()}
	b, err := json.Marshal(n)
	if err != nil {
		return n, err
	}
	spec := sal.ServiceSpec{
		ID: s.id(), RunAs: s.runAs, Restart: c.restart, Limits: c.limits, Note: b, Env: s.environment(c, port),
		Argv: []string{"/bin/sh", "-c", `mkdir -p "$DATA_DIR" && { [ -n "$RELEASE_DIR" ] || cd "$DATA_DIR"; } && exec /bin/sh -c "$0"`, c.command},
	}
	if release != "" {
		spec.Show, spec.Dir = []string{release}, release
	}
	spec.Env = append(spec.Env, "RELEASE_DIR="+release)
	if err := s.cfg.Services.Ensure(ctx, spec); err != nil {
		return n, err
	}
	return n, s.route()
}

func (s *script) environment(c *config, port int) []string {
	env := c.env
	for _, kv := range s.run.Env {
		env = append(env, kv.Key+"="+kv.Value)
	}
	return append(env,
		"PORT="+strconv.Itoa(port), "DATA_DIR="+s.data(), "DEPLOYMENT_NAME="+s.run.Name, "PROJECT_NAME="+s.run.ProjectName,
		"BASE_DOMAIN="+s.run.BaseDomain, "NAMESPACE="+s.run.Namespace, "URL="+s.url())
}

// version tells configurations apart: of check, whether what runs is what should.
func (s *script) version() string {
	b, err := json.Marshal([][]cloud.KeyValue{s.run.Deployment, s.run.Application})
	if err != nil {
		return "" // texts always have a JSON form
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// The ports that deployments listen on, on loopback: below those that the kernel
// gives to connections.
const (
	firstPort = 21000
	lastPort  = 31999
)

// port returns the port of the deployment: the one that it has, or a free one.
func (s *script) port() (int, error) {
	taken := map[int]bool{}
	for _, st := range s.cfg.Services.List() {
		if n, ok := noteOf(st); ok {
			if st.ID == s.id() {
				return n.Port, nil
			}
			taken[n.Port] = true
		}
	}
	h := fnv.New32a()
	h.Write([]byte(s.id())) // never fails
	const ports = lastPort - firstPort + 1
	for i := range ports {
		port := firstPort + (int(h.Sum32()%ports)+i)%ports
		if taken[port] {
			continue
		}
		ln, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err == nil {
			return port, ln.Close()
		}
	}
	return 0, cloud.Errorf(cloud.Unavailable, "no port of %d to %d is free on this runner", firstPort, lastPort)
}

// tellLog writes the end of the log of a deployment that failed.
func (s *script) tellLog() {
	const bytes = 2 << 10
	log, err := s.cfg.Services.Log(s.id(), bytes)
	if len(log) >= bytes {
		_, log, _ = strings.Cut(log, "\n") // what is left of a line may be left of a secret
	}
	if err == nil && strings.TrimSpace(log) != "" {
		s.complain("the end of its log:\n%s", strings.TrimSpace(log))
	}
}

func (s *script) archiveCheck() (int, error) {
	st, err := s.cfg.Services.Status(s.id())
	if err == nil && st.Running {
		s.complain("it still runs")
		return 1, nil
	}
	return 0, nil
}

// check answers 0 for healthy, 3 if what runs has another configuration, else 1.
func (s *script) check(ctx context.Context) (int, error) {
	st, err := s.cfg.Services.Status(s.id())
	if err != nil {
		return 1, err
	}
	n, _ := noteOf(st)
	switch {
	case !st.Wanted:
		s.complain("it is stopped")
		return 1, nil
	case !st.Running:
		s.complain("it does not run: %s", st.Ended)
		return 1, nil
	}
	if err := s.healthy(ctx, n); err != nil {
		return 1, err
	}
	if n.Version != s.version() {
		s.complain("it runs with another configuration than it should have")
		return 3, nil
	}
	return 0, nil
}

// cleanup removes all of the deployment.
func (s *script) cleanup(ctx context.Context) error {
	if err := s.cfg.Services.Delete(ctx, s.id()); err != nil {
		return err
	}
	if err := s.route(); err != nil {
		return err
	}
	// The user owns what is above: nothing of it may lead out of the home.
	home, err := os.OpenRoot(filepath.Dir(filepath.Dir(s.data())))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the home of the project cannot be opened")
	}
	defer home.Close()
	if err := home.RemoveAll(filepath.Join(dataFolder, s.run.Name)); err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the folder of the deployment cannot be removed")
	}
	return nil
}
