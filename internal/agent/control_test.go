package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"atoll/internal/bundle"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/sal/host"
	"atoll/internal/script"
	"atoll/internal/wire"
)

// runner is an agent with real processes, and a controller that has bundles.
type runner struct {
	*testing.T
	c     *controller
	cfg   Config
	key   *pki.SigningKey
	end   func(kill bool)
	files map[string]string // of the bundle
}

var runners atomic.Int64

func newRunner(t *testing.T, files map[string]string) *runner {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("control scripts run in cgroups and namespaces: run this test as root")
	}
	c := newController(t)
	// Not below /tmp, which projects' commands do not see.
	data, err := os.MkdirTemp("/var/lib", "atoll-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	p, err := host.New(host.Config{
		Parent: fmt.Sprintf("atoll-test-%d/control-%d", os.Getpid(), runners.Add(1)),
		Work:   data + "/work", Homes: data + "/homes", Hide: []string{data},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := testConfig(t, c)
	cfg.DataDir, cfg.Node.Processes, cfg.Node.Simulated = data, p, false
	cfg.Node.Machines, cfg.Node.Networks = nil, nil
	key, err := pki.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	c.do(func() { c.next.Trust = []string{key.VerifyKey().String()} })
	r := &runner{T: t, c: c, cfg: cfg, key: key, files: files}
	_, r.end = start(t, c, cfg)
	return r
}

// restart replaces the agent.
func (r *runner) restart() {
	r.Helper()
	r.end(true)
	r.c.do(func() {
		if r.c.held != nil { // the dead agent's
			r.c.held <- nil
			r.c.held = nil
		}
		r.c.next.Trust = []string{r.key.VerifyKey().String()}
	})
	_, r.end = start(r.T, r.c, r.cfg)
}

// pack makes an archive; files whose text begins with #! are executable.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		mode := int64(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bundle uploads the runner's files.
func (r *runner) bundle() wire.BundleRef {
	r.Helper()
	b := pack(r.T, r.files)
	sum := script.SHA256(b)
	signature, err := r.key.Sign(bundle.Purpose, bundle.SignedMessage(sum))
	if err != nil {
		r.Fatal(err)
	}
	r.c.do(func() { r.c.bundles[sum] = b })
	return wire.BundleRef{Kind: cloud.BundleArchive, SHA256: sum, Size: int64(len(b)), Signature: signature}
}

const projectUser = "10001"

func (r *runner) job(ref wire.BundleRef, s cloud.ControlScript, change func(*wire.ControlRun)) wire.Job {
	run := wire.ControlRun{
		Project: "p1", ProjectName: "P", BaseDomain: "D", Namespace: "N", Bundle: ref, Script: s, Name: "n",
		Application: []cloud.KeyValue{{Key: "A", Value: "1"}, {Key: "db.password", Value: "hush\"hush", Secret: true}},
		Deployment:  []cloud.KeyValue{{Key: "B", Value: "2"}},
		Env:         []cloud.KeyValue{{Key: "TOKEN", Value: "s3cr3t/token", Secret: true}, {Key: "PATH", Value: "/nowhere"}},
		OldStatus:   "Running", NewStatus: "UpdatePending", TimeoutS: 60,
	}
	if change != nil {
		change(&run)
	}
	j := newJob(wire.ActionControlRun, run)
	j.RunAs = projectUser
	return j
}

// run runs a script to its end.
func (r *runner) run(ref wire.BundleRef, s cloud.ControlScript, change func(*wire.ControlRun)) (wire.Result, wire.ControlResult) {
	r.Helper()
	j := r.job(ref, s, change)
	r.c.hand(j)
	res := r.c.result(j.JobRef)
	var c wire.ControlResult
	if res.State == cloud.JobSucceeded {
		if err := json.Unmarshal(res.Result, &c); err != nil {
			r.Fatalf("%s: result %s: %v", s, res.Result, err)
		}
	}
	return res, c
}

func TestControlContract(t *testing.T) {
	const echo = "#!/bin/sh\necho \"$@\"\n"
	files := map[string]string{}
	for i, s := range cloud.ControlScripts {
		files[s.Files()[i%len(s.Files())]] = echo // one name or the other
	}
	delete(files, "init")
	r := newRunner(t, files)
	ref := r.bundle()
	a := cloud.ControlArgs{
		Project: "P", BaseDomain: "D", Namespace: "N", Name: "n", OldStatus: "Running", NewStatus: "UpdatePending",
		Application: []cloud.KeyValue{{Key: "A", Value: "1"}, {Key: "db.password", Secret: true}}, Deployment: []cloud.KeyValue{{Key: "B", Value: "2"}},
	}
	for _, s := range cloud.ControlScripts {
		res, c := r.run(ref, s, nil)
		want := strings.Join(s.Argv(a, secretFile), " ") + "\n"
		if s == cloud.ScriptInit {
			want = ""
		}
		if res.State != cloud.JobSucceeded || res.Output != want || c.ExitCode != 0 || c.Missing != (s == cloud.ScriptInit) {
			t.Errorf("%s: %+v, %+v; want output %q", s, res, c, want)
		}
		if answer := c.Stdout; s.Answers() && answer != want || !s.Answers() && answer != "" {
			t.Errorf("%s answers %q", s, answer)
		}
	}
}

func TestControlCage(t *testing.T) {
	r := newRunner(t, map[string]string{
		"utils/create": `#!/bin/sh
id -u; echo "HOME $HOME"; echo "PATH ${PATH%%:*}" | sed 's|.*/||'; echo "$PROJECT_NAME $BASE_DOMAIN $NAMESPACE"
read line; echo "stdin '$line'"; helper
touch "${0%/*}/x" 2>/dev/null && echo "the bundle is writable"
grep NoNewPrivs /proc/self/status; env | grep -c '^ATOLL_'
tr '\0' '\n' < /proc/$$/cmdline | grep hush
cat /tmp/atoll/application-1; echo; cat "$ATOLL_SECRETS_FILE"; ls -l "$ATOLL_SECRETS_FILE" | cut -c1-10
echo "token $TOKEN" >&2; printf 'bad \377\n5::plain\n'
exit 7`,
		"utils/helper": "#!/bin/sh\necho helped\n",
	})
	res, c := r.run(r.bundle(), cloud.ScriptCreate, nil)
	want := "10001\nHOME " + r.cfg.DataDir + "/homes/10001\nutils\nP D N\nstdin ''\nhelped\nNoNewPrivs:\t1\n3\n***\n" +
		`{"application":{"db.password":"***"},"deployment":{}}` + "-rw-------\nbad \uFFFD\n5::plain\n"
	stdout, stderr := apart(&res)
	if res.State != cloud.JobSucceeded || c.ExitCode != 7 || res.ExitCode != 7 || stdout != want || stderr != "token ***\n" {
		t.Errorf("%+v, %+v\nwant output %q", res, c, want)
	}
	root := r.job(r.bundle(), cloud.ScriptCreate, nil)
	root.RunAs = cloud.RunAsRoot
	r.c.hand(root)
	if res := r.c.result(root.JobRef); res.State != cloud.JobFailed || !strings.Contains(res.Error, "never runs as root") {
		t.Errorf("as root: %+v", res)
	}
}

// apart returns what of a short output each stream had.
func apart(r *wire.Result) (stdout, stderr string) {
	n := 0
	for line := range strings.Lines(r.Output) {
		if n < len(r.Streams) && r.Streams[n] == wire.StderrLine {
			stderr += line
		} else {
			stdout += line
		}
		n++
	}
	return stdout, stderr
}

// TestControlStreams: standard output and error come apart, whether the output is short
// and goes with the result, or is long and goes in chunks, and each has whole lines.
func TestControlStreams(t *testing.T) {
	r := newRunner(t, map[string]string{
		"create":       "#!/bin/sh\nprintf half-; echo \"token $TOKEN\" >&2; echo whole; printf 'no end' >&2\n",
		"config_check": "#!/bin/sh\necho \"no $TOKEN\"; echo remark >&2; exit 1\n",
		"update":       "#!/bin/sh\ni=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done\n",
		"archive":      "#!/bin/sh\necho out > /dev/stdout; echo err > /dev/stderr\n",
		"unarchive":    "#!/bin/sh\necho out; echo out\n",
		"init":         "#!/bin/sh\n[ -e ~/ready ] && exit 0\ntouch ~/ready; echo begun; echo 'no cluster' >&2; exit 1\n",
	})
	ref := r.bundle()
	for _, tt := range []struct {
		script         cloud.ControlScript
		stdout, stderr string
		answer         string
	}{
		{cloud.ScriptCreate, "begun\n", "no cluster\n", ""}, // init fails
		{cloud.ScriptCreate, "half-whole\n", "token ***\nno end\n", ""},
		{cloud.ScriptConfigCheck, "no ***\n", "remark\n", "no ***\n"},
		{cloud.ScriptArchive, "out\n", "err\n", ""},
	} {
		res, c := r.run(ref, tt.script, nil)
		if stdout, stderr := apart(&res); stdout != tt.stdout || stderr != tt.stderr || c.Stdout != tt.answer {
			t.Errorf("%s: %+v, %+v; want %q and %q, answer %q", tt.script, res, c, tt.stdout, tt.stderr, tt.answer)
		}
	}
	if res, _ := r.run(ref, cloud.ScriptUnarchive, nil); res.Output != "out\nout\n" || res.Streams != "" {
		t.Errorf("nothing on standard error: %+v", res)
	}
	res, _ := r.run(ref, cloud.ScriptUpdate, nil)
	got := map[string]string{}
	for _, l := range r.c.logLines(res.JobRef) {
		got[l.Stream] += l.Text + "\n"
	}
	var out, errs strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&out, "out %d\n", i)
		fmt.Fprintf(&errs, "err %d\n", i)
	}
	if res.Streams != "" || res.OutputBytes != int64(out.Len()+errs.Len()) || len(got) != 2 || got[""] != out.String() || got[cloud.StreamStderr] != errs.String() {
		t.Errorf("long: %d bytes, streams %q, %d and %d bytes in chunks", res.OutputBytes, res.Streams, len(got[""]), len(got[cloud.StreamStderr]))
	}
}

func TestControlFailures(t *testing.T) {
	r := newRunner(t, map[string]string{
		"create": "#!/bin/sh\nexit 0\n", "check": "#!/bin/sh\n(setsid sleep 600 &)\ntrap '' TERM\nwhile :; do sleep 1; done\n",
		"update": "echo not executable\n", "archive": "#!/no/such/interpreter\n",
		"info": "#!/bin/sh\nhead -c 400000 /dev/zero | tr '\\0' x\n", "cleanup": "#!/bin/sh\nkill -9 $$\n",
	})
	ref := r.bundle()
	for s, want := range map[cloud.ControlScript]string{
		cloud.ScriptUpdate:         "script: update in the control scripts is not executable: chmod +x update",
		cloud.ScriptUnarchive:      "script: the control scripts have no file unarchive: add one",
		cloud.ScriptDeploymentKeys: "no file deployment_keys or deployment_config_keys",
		cloud.ScriptArchive:        "or the interpreter in its first line does not",
	} {
		if res, _ := r.run(ref, s, nil); res.State != cloud.JobFailed || !strings.Contains(res.Error, want) || !strings.Contains(string(res.Result), "invalid") {
			t.Errorf("%s: %+v, want the error %q", s, res, want)
		}
	}
	if _, c := r.run(ref, cloud.ScriptCheck, func(run *wire.ControlRun) { run.TimeoutS = 1 }); !c.TimedOut || c.ExitCode != 137 {
		t.Errorf("a check that hangs: %+v", c)
	}
	if _, c := r.run(ref, cloud.ScriptInfo, nil); !c.Truncated || len(c.Stdout) != cloud.MaxControlStdout {
		t.Errorf("a long answer: %d bytes, truncated %v", len(c.Stdout), c.Truncated)
	}
	if _, c := r.run(ref, cloud.ScriptCleanup, nil); c.ExitCode != 137 || c.TimedOut {
		t.Errorf("killed by a signal: %+v", c)
	}
	forged := ref
	forged.Signature = strings.Replace(forged.Signature, forged.Signature[len(forged.Signature)-5:], "AAAAA", 1)
	other := ref
	other.SHA256 = script.SHA256([]byte("other"))
	for name, ref := range map[string]wire.BundleRef{
		"forged": forged, "other": other, "no folder": {Kind: cloud.BundleFolder, Path: "/no/such/folder"},
		"relative": {Kind: cloud.BundleFolder, Path: "utils"}, "unknown": {Kind: "builtin:magic"},
	} {
		if res, _ := r.run(ref, cloud.ScriptCreate, nil); res.State != cloud.JobFailed || res.Error == "" {
			t.Errorf("%s: %+v, want it refused", name, res)
		}
	}
}

func TestControlFolder(t *testing.T) {
	r := newRunner(t, nil)
	dir, err := os.MkdirTemp("/var/lib", "atoll-test-utils-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put("create", "#!/bin/sh\ncat ~/prepared\n")
	put("init", "#!/bin/sh\necho prepared >> ~/prepared\n")
	ref := wire.BundleRef{Kind: cloud.BundleFolder, Path: dir}
	for range 2 {
		if res, _ := r.run(ref, cloud.ScriptCreate, nil); res.Output != "prepared\n" {
			t.Errorf("create: %+v, want that init has run once", res)
		}
	}
	put("init", "#!/bin/sh\necho prepared anew >> ~/prepared\n")
	if res, _ := r.run(ref, cloud.ScriptCreate, nil); res.Output != "prepared\nprepared anew\n" {
		t.Errorf("after the folder changed: %+v", res)
	}
	// A link out of it tells nothing of what there is: the agent may read what projects may not.
	var says []string
	for _, to := range []string{"/root", "/etc/shadow", "/no/such/file"} {
		link := filepath.Join(dir, "update")
		_ = os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		res, _ := r.run(ref, cloud.ScriptUpdate, nil)
		if says = append(says, res.Error); res.State != cloud.JobFailed || says[0] != res.Error || !strings.Contains(res.Error, "a link that leads to none of them") {
			t.Errorf("a link to %s: %+v", to, res)
		}
	}
	if err := os.Symlink("create", filepath.Join(dir, "unarchive")); err != nil {
		t.Fatal(err)
	}
	if res, _ := r.run(ref, cloud.ScriptUnarchive, nil); res.State != cloud.JobSucceeded {
		t.Errorf("a link within the folder: %+v", res)
	}
	// A folder where projects see nothing shows nothing either.
	if res, _ := r.run(wire.BundleRef{Kind: cloud.BundleFolder, Path: r.cfg.DataDir}, cloud.ScriptCreate, nil); res.State != cloud.JobFailed {
		t.Errorf("the agent's folder: %+v", res)
	}
}

// A project that holds too much on the runner gets nothing that adds to it, and can be
// cleaned up.
func TestControlDisk(t *testing.T) {
	r := newRunner(t, map[string]string{
		"create": "#!/bin/sh\nmkdir -p ~/data; head -c 3000000 /dev/zero > ~/data/big; ln ~/data/big ~/data/again; ln -s /usr ~/data/usr\n",
		"update": "#!/bin/sh\nexit 0\n", "archive": "#!/bin/sh\nexit 0\n", "cleanup": "#!/bin/sh\nrm -r ~/data\n",
	})
	ref := r.bundle()
	limit := func(run *wire.ControlRun) { run.DiskMiB = 2 }
	if res, c := r.run(ref, cloud.ScriptCreate, limit); res.State != cloud.JobSucceeded || c.ExitCode != 0 {
		t.Fatalf("while there is room: %+v", res)
	}
	if res, _ := r.run(ref, cloud.ScriptUpdate, limit); res.State != cloud.JobFailed || !strings.Contains(res.Error, "more than the 2 MiB") || !strings.Contains(string(res.Result), "quota") {
		t.Errorf("when there is none: %+v", res)
	}
	for name, change := range map[string]func(*wire.ControlRun){
		"a higher limit": func(run *wire.ControlRun) { run.DiskMiB = 5 }, // what has two names counts once, what is linked not at all
		"no limit":       nil,
	} {
		if res, _ := r.run(ref, cloud.ScriptUpdate, change); res.State != cloud.JobSucceeded {
			t.Errorf("with %s: %+v", name, res)
		}
	}
	for _, s := range []cloud.ControlScript{cloud.ScriptArchive, cloud.ScriptCleanup, cloud.ScriptUpdate} {
		if res, _ := r.run(ref, s, limit); res.State != cloud.JobSucceeded {
			t.Errorf("%s: %+v", s, res)
		}
	}
}

func TestControlInit(t *testing.T) {
	r := newRunner(t, map[string]string{
		"create": "#!/bin/sh\ncat ~/inits\n", "update": "#!/bin/sh\ncat ~/inits\n",
		"init": "#!/bin/sh\n[ $# = 0 ] || exit 9\nsleep 0.3\necho init >> ~/inits\n",
	})
	ref := r.bundle()
	one, two := r.job(ref, cloud.ScriptCreate, nil), r.job(ref, cloud.ScriptUpdate, nil)
	one.Queue, two.Queue = "a", "b"
	r.c.hand(one, two)
	for _, j := range []wire.Job{one, two} {
		if res := r.c.result(j.JobRef); res.Output != "init\n" {
			t.Errorf("two that race: %+v, want that init has run once", res)
		}
	}
	r.restart()
	if res, _ := r.run(ref, cloud.ScriptCreate, nil); res.Output != "init\n" {
		t.Errorf("another agent ran init again: %+v", res)
	}
	r.files["init"] = "#!/bin/sh\necho 'no cluster: s3cr3t/token' >&2\n[ -e ~/fixed ]\n"
	r.files["update"] = "#!/bin/sh\necho updated\n"
	ref = r.bundle()
	if res, _ := r.run(ref, cloud.ScriptUpdate, nil); res.State != cloud.JobFailed || !strings.Contains(res.Error, "init of the project failed with exit code 1") ||
		!strings.Contains(res.Error, "no cluster: ***") {
		t.Errorf("a failed init: %+v", res)
	}
	if err := os.WriteFile(r.cfg.DataDir+"/homes/10001/fixed", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if res, c := r.run(ref, cloud.ScriptUpdate, nil); res.State != cloud.JobSucceeded || c.ExitCode != 0 || !strings.HasSuffix(res.Output, "updated\n") {
		t.Errorf("after init was fixed: %+v", res)
	}
}

func TestControlSimulated(t *testing.T) {
	c := newController(t)
	_, _ = start(t, c, testConfig(t, c))
	r := &runner{T: t, c: c}
	told := func(kvs ...string) func(*wire.ControlRun) {
		return func(run *wire.ControlRun) {
			run.Deployment = nil
			for i := 0; i < len(kvs); i += 2 {
				run.Deployment = append(run.Deployment, cloud.KeyValue{Key: kvs[i], Value: kvs[i+1]})
			}
		}
	}
	for _, tt := range []struct {
		script cloud.ControlScript
		told   []string
		exit   int
		stdout string
	}{
		{cloud.ScriptCreate, nil, 0, ""},
		{cloud.ScriptCreate, []string{"sim.create.exit", "1", "sim.create.sleep", "5ms"}, 1, ""},
		{cloud.ScriptCheck, []string{"sim.create.exit", "1", "sim.check.exit", "3"}, 3, ""},
		{cloud.ScriptInfo, nil, 0, "app,http://n.D\n"},
		{cloud.ScriptConfigCheck, []string{"sim.config_check.exit", "2", "sim.config_check.stdout", "no such tag"}, 2, "no such tag\n"},
		{cloud.ScriptAppConfig, []string{"sim.app_config.stdout", "image.tag,1"}, 0, "image.tag,1\n"},
		{cloud.ScriptAppKeys, []string{"sim.app_keys.exit", "x"}, 2, "sim.app_keys.exit: x is no exit code\n"},
	} {
		res, got := r.run(wire.BundleRef{Kind: cloud.BundleProcess}, tt.script, told(tt.told...))
		if res.State != cloud.JobSucceeded || !res.Simulated || got.ExitCode != tt.exit || got.Stdout != tt.stdout {
			t.Errorf("%s %q: %+v, %+v", tt.script, tt.told, res, got)
		}
	}
	if _, got := r.run(wire.BundleRef{}, cloud.ScriptCheck, func(run *wire.ControlRun) {
		told("sim.check.sleep", "1h")(run)
		run.TimeoutS = 1
	}); !got.TimedOut {
		t.Errorf("a simulated check that hangs: %+v", got)
	}
}

// TestExampleScripts runs the scripts of examples/control-scripts unchanged.
func TestExampleScripts(t *testing.T) {
	dir := "../../examples/control-scripts"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	r := newRunner(t, files)
	ref := r.bundle()
	for _, tt := range []struct {
		script cloud.ControlScript
		exit   int
		stdout string
	}{
		{cloud.ScriptDeploymentConfig, 0, "check.exit,0\n"},
		{cloud.ScriptDeploymentKeys, 0, "check.exit\n"},
		{cloud.ScriptAppConfig, 0, "image.tag,latest\nmotd,\"Hello, world\"\n"},
		{cloud.ScriptAppKeys, 0, "image.tag\nmotd\nreplicas\n"},
		{cloud.ScriptConfigCheck, 0, ""},
		{cloud.ScriptInfo, 0, "app,https://n.D\n\"logs, of all\",https://logs.D/?namespace=N\n"},
		{cloud.ScriptUpdate, 1, ""}, // there is none yet
		{cloud.ScriptCreate, 0, ""},
		{cloud.ScriptCheck, 0, ""},
		{cloud.ScriptNotifications, 0, ""},
		{cloud.ScriptUpdate, 0, ""},
		{cloud.ScriptArchive, 0, ""},
		{cloud.ScriptArchiveCheck, 0, ""},
		{cloud.ScriptCheck, 1, ""},
		{cloud.ScriptUnarchive, 0, ""},
		{cloud.ScriptCheck, 0, ""},
	} {
		res, c := r.run(ref, tt.script, nil)
		if res.State != cloud.JobSucceeded || c.ExitCode != tt.exit || c.Stdout != tt.stdout {
			t.Errorf("%s: %+v, %+v; want exit code %d, answer %q", tt.script, res, c, tt.exit, tt.stdout)
		}
	}
	if _, c := r.run(ref, cloud.ScriptCheck, func(run *wire.ControlRun) {
		run.Deployment = []cloud.KeyValue{{Key: "check.exit", Value: "2"}}
	}); c.ExitCode != 2 {
		t.Errorf("a check that tells exit code 2: %+v", c)
	}
	home := r.cfg.DataDir + "/homes/10001/"
	if b, err := os.ReadFile(home + "deployments/N/n/config"); err != nil || string(b) != "A=1\ndb.password=hush\"hush\n" {
		t.Errorf("the configuration that the scripts saw is %q, %v", b, err)
	}
	if b, err := os.ReadFile(home + "notifications"); err != nil || !strings.HasSuffix(string(b), " n Running -> UpdatePending\n") {
		t.Errorf("notifications: %q, %v", b, err)
	}
	if _, c := r.run(ref, cloud.ScriptCleanup, nil); c.ExitCode != 0 {
		t.Errorf("cleanup: %+v", c)
	}
	if _, err := os.Lstat(home + "deployments/N/n"); err == nil {
		t.Error("cleanup left the deployment's folder")
	}
}
