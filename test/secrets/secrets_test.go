// Package secrets_test runs the real program with every kind of secret in it,
// and looks for them wherever others could read them: the log at its most
// talkative, what the API answers, the command lines of processes, the database
// and the blobs. It must never know how a secret is kept, only where it must not be.
package secrets_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/octopod"
	"atoll/test/program"
)

// product is a running `atoll up --debug`.
type product struct {
	t     *testing.T
	data  string
	url   string
	token string
	log   string // file
	pid   int

	secrets map[string]string // value: what it is
	// argument is a script's, which operators see in their jobs.
	argument string

	mu   sync.Mutex
	seen map[string]bool // command lines of processes below pid
}

func start(t *testing.T) *product {
	t.Helper()
	dir := t.TempDir()
	bin := program.Build(t)
	p := &product{t: t, data: filepath.Join(dir, "data"), log: filepath.Join(dir, "log"), secrets: map[string]string{}, seen: map[string]bool{}}
	log, err := os.Create(p.log)
	p.ok(err)
	cmd := exec.Command(bin, "up", "--debug", "--data", p.data, "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--sim", "2", "--no-machines")
	cmd.Stdout, cmd.Stderr = log, log
	p.ok(cmd.Start())
	p.pid = cmd.Process.Pid
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // ended already if it fails
		if err := cmd.Wait(); err != nil {
			t.Errorf("atoll up: %v", err)
		}
		log.Close()
	})
	ready := regexp.MustCompile(`msg="controller ready" people=(\S+)`)
	p.until("the controller is ready", func() bool {
		m := ready.FindSubmatch(p.read(p.log))
		if m != nil {
			p.url = string(m[1])
		}
		return m != nil
	})
	p.token = strings.TrimSpace(string(p.read(filepath.Join(p.data, "admin.token"))))
	p.secret("the admin's token", p.token)
	return p
}

func (p *product) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *product) read(file string) []byte {
	p.t.Helper()
	b, err := os.ReadFile(file)
	p.ok(err)
	return b
}

func (p *product) until(what string, is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// secret notes a value that must appear nowhere.
func (p *product) secret(what, value string) {
	p.t.Helper()
	if len(value) < 8 {
		p.t.Fatalf("%s is %q, too short to look for", what, value)
	}
	p.secrets[value] = what
}

// call does a request and returns the body of a success.
func (p *product) call(method, path string, body any) map[string]any {
	p.t.Helper()
	status, text, _ := p.try(method, path, body)
	if status/100 != 2 {
		p.t.Fatalf("%s %s = %d %s", method, path, status, text)
	}
	var v map[string]any
	if len(text) > 0 {
		p.ok(json.Unmarshal(text, &v))
	}
	return v
}

func (p *product) try(method, path string, body any) (int, []byte, http.Header) {
	p.t.Helper()
	var rd io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		rd = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		p.ok(err)
		rd = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, rd)
	p.ok(err)
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Prefer", "wait=60")
	if _, raw := body.([]byte); !raw && body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	p.ok(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	p.ok(err)
	return res.StatusCode, text, res.Header
}

type object = map[string]any

// people makes the secrets of people: passwords, links, sessions, tokens.
func (p *product) people() {
	const first, second, wrong = "first-pass-battery-1", "second-pass-battery-2", "typed-into-the-wrong-field-3"
	p.secret("a password", first)
	p.secret("a new password", second)
	p.secret("a password typed as a name", wrong)
	p.call("POST", "/api/v1/users", object{"name": "ada", "password": first})
	_, text, header := p.try("POST", "/api/v1/login", object{"name": "ada", "password": first})
	var in struct{ CSRF string }
	p.ok(json.Unmarshal(text, &in))
	p.secret("a session's CSRF token", in.CSRF)
	cookie, _, _ := strings.Cut(strings.TrimPrefix(header.Get("Set-Cookie"), "atoll_session="), ";")
	p.secret("a session's secret", cookie)
	p.try("POST", "/api/v1/login", object{"name": wrong, "password": "x"})
	p.try("POST", "/api/v1/login", object{"name": "ada", "password": wrong})
	link := p.call("POST", "/api/v1/users/ada/setup-link", nil)
	p.secret("a set-up link's secret", link["setup_secret"].(string))
	p.call("POST", "/api/v1/setup", object{"secret": link["setup_secret"], "password": second})
	p.secret("an API token", p.call("POST", "/api/v1/tokens", object{"name": "ci"})["secret"].(string))
	p.try("GET", "/api/v1/accounts?cursor="+cookie, nil) // a secret in the wrong place
	join := p.call("POST", "/api/v1/join-tokens", object{"uses": 1})["secret"].(string)
	p.secret("a join token", join)
	p.secret("a join token's secret", strings.Split(join, ".")[2])
}

// machines makes a simulated machine with a password in its user-data, and an
// image from a link that is a secret.
func (p *product) machines() {
	disk := make([]byte, 1<<20)
	disk[510], disk[511] = 0x55, 0xaa
	p.call("POST", "/api/v1/images:upload?name=disk", disk)
	const password, signature = "user-data-hunter2", "link-signature-hunter3"
	p.secret("user-data", password)
	p.secret("the signature of an image's link", signature)
	p.until("a node that takes machines", func() bool {
		status, text, _ := p.try("POST", "/api/v1/machines", object{
			"account": "default", "cloudspace": "default", "name": "web-1", "image": "disk", "size": "tiny",
			"user_data": "#cloud-config\npassword: " + password + "\n",
		})
		if status/100 == 2 && !bytes.Contains(text, []byte(`"succeeded"`)) {
			p.t.Fatalf("the machine's operation: %s", text)
		}
		return status/100 == 2
	})
	p.call("POST", "/api/v1/machines/web-1/stop?account=default&cloudspace=default", object{"force": true})
	p.call("POST", "/api/v1/machines/web-1/start?account=default&cloudspace=default", nil)
	p.call("POST", "/api/v1/images", object{
		"name": "linked", "url": "http://127.0.0.1:1/disk?signature=" + signature, "sha256": strings.Repeat("a", 64),
	})
}

// scripts runs a script with a secret argument on the real node.
func (p *product) scripts() {
	const argument = "script-argument-hunter4"
	source := "#!/bin/sh\n# ---\n# description: holds a secret\n# ---\nread args\nfor i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sleep 0.1'; done\n"
	status, text, _ := p.try("POST", "/api/v1/scripts?name=holds", []byte(source))
	if status/100 != 2 {
		p.t.Fatalf("upload of the script = %d %s", status, text)
	}
	p.argument = argument
	p.call("POST", "/api/v1/runs", object{"script": "holds", "args": object{"password": argument}, "all": true})
}

// deployments deploys with a project's secret and secret values, in control scripts
// that tell all they know, as those of a user who looks for a mistake do.
func (p *product) deployments() {
	const token, before, after = "project-token-quartz-1", "override-value-quartz-2", "override-value-quartz-3"
	p.secret("a project's secret", token)
	p.secret("a secret value of a deployment", before)
	p.secret("a new secret value of a deployment", after)
	nodes := p.call("GET", "/api/v1/nodes", nil)["items"].([]any)
	for _, n := range nodes {
		if n := n.(object); n["simulated"] == false {
			p.call("PATCH", "/api/v1/nodes/"+n["id"].(string), object{"labels": object{"real": "yes"}})
		}
	}
	p.call("POST", "/api/v1/projects", object{
		"account": "default", "name": "shop", "base_domain": "localhost", "labels": object{"real": "yes"}, "secrets": object{"API_TOKEN": token},
	})
	p.call("POST", "/api/v1/bundles:upload?account=default&project=shop&use=true", tellingScripts(p.t))
	secret := func(value string) object {
		return object{"key": "db.password", "value": value, "secret": true}
	}
	p.call("POST", "/api/v1/deployments", object{
		"account": "default", "project": "shop", "name": "leaky", "application": []object{secret(before)}, "deployment": []object{secret(before)},
	})
	p.call("PATCH", "/api/v1/deployments/leaky?account=default&project=shop", object{
		"application": object{"set": []object{secret(after)}}, "deployment": object{"set": []object{secret(after)}},
	})
}

// tellingScripts packs control scripts that print their arguments, environment and
// secrets, long enough for their command lines to be seen.
func tellingScripts(t *testing.T) []byte {
	t.Helper()
	const quiet, telling = "#!/bin/sh\n", "#!/bin/sh\necho \"$0 $*\"\nenv\ncat $ATOLL_SECRETS_FILE\nsleep 0.31\n"
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, script := range cloud.ControlScripts {
		text := quiet
		if script == cloud.ScriptCreate || script == cloud.ScriptUpdate || script == cloud.ScriptCheck {
			text = telling
		}
		err := w.WriteHeader(&tar.Header{Name: script.Files()[0], Mode: 0o755, Size: int64(len(text))})
		if _, writeErr := w.Write([]byte(text)); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// octopod reads what Octopod's API shows of the deployment.
func (p *product) octopod() map[string][]byte {
	p.t.Helper()
	all := map[string][]byte{}
	read := func(path string) []byte {
		path = "/octopod/shop/api/v1/" + path
		status, text, _ := p.try("GET", path, nil)
		if status != http.StatusOK {
			p.t.Errorf("GET %s = %d %s", path, status, text)
		}
		all[path] = text
		return text
	}
	read("deployments")
	read("deployments/leaky/full_info")
	var info []octopod.Info
	p.ok(json.Unmarshal(read("deployments/leaky/info"), &info))
	if len(info) != 1 || len(info[0].Logs) < 2 {
		p.t.Fatalf("the deployment has no log: %+v", info)
	}
	for _, l := range info[0].Logs {
		if text := read(fmt.Sprint("log/", l.ActionID)); !bytes.Contains(text, []byte("API_TOKEN=***")) {
			p.t.Errorf("the script did not tell what it knows: %s", text)
		}
	}
	return all
}

// agentFiles looks at what the agent leaves on the disk: jobs, their output, bundles.
func (p *product) agentFiles() {
	p.t.Helper()
	n := 0
	p.ok(filepath.WalkDir(filepath.Join(p.data, "agent"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasSuffix(path, ".pem") {
			return err
		}
		n++
		p.look(path, p.read(path))
		return nil
	}))
	if n == 0 {
		p.t.Error("the agent has no files where this test looks")
	}
}

// keys notes the keys in files, and that nobody else may read those.
func (p *product) keys() {
	for what, pattern := range map[string]string{
		"the master key": "master.key", "the admin's token": "admin.token", "the agent's key": "agent/*.pem",
	} {
		files, err := filepath.Glob(filepath.Join(p.data, pattern))
		p.ok(err)
		if len(files) == 0 {
			p.t.Errorf("%s is not where this test looks", what)
		}
		for _, file := range files {
			st, err := os.Stat(file)
			p.ok(err)
			if st.Mode().Perm()&0o077 != 0 {
				p.t.Errorf("%s in %s has the mode %v", what, file, st.Mode())
			}
			private := pemPrivate.FindSubmatch(p.read(file))
			for _, line := range strings.Fields(string(p.read(file))) {
				_, key, _ := strings.Cut(line, ":")
				if private == nil && len(key) > 20 {
					p.secret(what, key)
				}
			}
			if private != nil {
				p.secret(what, strings.Fields(string(private[1]))[1])
			}
		}
	}
}

var pemPrivate = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END`)

// watchProcesses notes the command lines of what runs below the program until stop.
func (p *product) watchProcesses() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			p.lookAtProcesses()
		}
	}()
	return func() { close(done); <-ended }
}

func (p *product) lookAtProcesses() {
	parents := map[int]int{}
	entries, _ := os.ReadDir("/proc") // it is there
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		if f := bytes.Fields(rest); len(f) > 1 {
			parents[pid], _ = strconv.Atoi(string(f[1]))
		}
	}
	for pid := range parents {
		for at := pid; at > 1; at = parents[at] {
			if at != p.pid {
				continue
			}
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
				p.mu.Lock()
				p.seen[string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))] = true
				p.mu.Unlock()
			}
			break
		}
	}
}

// look fails the test if the text holds a secret.
func (p *product) look(where string, text []byte) {
	p.t.Helper()
	for value, what := range p.secrets {
		if at := bytes.Index(text, []byte(value)); at >= 0 {
			p.t.Errorf("%s is in %s: …%q…", what, where, text[max(0, at-80):min(len(text), at+20)])
		}
	}
}

// answers reads all that the API shows to an admin.
func (p *product) answers() map[string][]byte {
	p.t.Helper()
	_, text, _ := p.try("GET", "/api/v1/openapi.json", nil)
	var doc struct{ Paths map[string]map[string]any }
	p.ok(json.Unmarshal(text, &doc))
	all := map[string][]byte{}
	for path, methods := range doc.Paths {
		if methods["get"] == nil || strings.Contains(path, "{") {
			continue
		}
		ask := path
		if path == "/api/v1/search" {
			ask += "?q=secret"
		}
		status, text, _ := p.try("GET", ask, nil)
		if none := path == "/api/v1/branding/logo" && status == http.StatusNotFound; status != http.StatusOK && !none {
			p.t.Errorf("GET %s = %d %s", path, status, text)
		}
		all[path] = text
		var page struct{ Items []struct{ ID string } }
		if json.Unmarshal(text, &page) != nil {
			continue
		}
		for _, item := range page.Items {
			for sub, methods := range doc.Paths {
				if rest, ok := strings.CutPrefix(sub, path+"/{"); ok && methods["get"] != nil && !strings.HasSuffix(sub, "/console") {
					_, part, _ := strings.Cut(rest, "}")
					_, text, _ := p.try("GET", path+"/"+item.ID+part, nil)
					all[path+"/"+item.ID+part] = text
				}
			}
		}
	}
	_, all["/metrics"], _ = p.try("GET", "/metrics", nil)
	return all
}

func TestSecretsStayWhereTheyAre(t *testing.T) {
	program.Alone(t)
	if os.Geteuid() != 0 {
		t.Fatal("the agent runs commands in cgroups: run this test as root")
	}
	p := start(t)
	stop := p.watchProcesses()
	p.people()
	p.machines()
	p.scripts()
	p.deployments()
	p.keys() // the agent has joined by now
	stop()

	answers := p.answers()
	if len(answers) < 60 || !bytes.Contains(answers["/api/v1/events"], []byte("image.create.failed")) {
		t.Fatalf("%d answers of the API, without the events of what was done", len(answers))
	}
	maps.Copy(answers, p.octopod())
	for path, text := range answers {
		p.look("the answer to GET "+path, text)
	}
	seen := slices.Collect(maps.Keys(p.seen))
	for _, part := range []string{"sleep 0.1 ", "sleep 0.31", "db.password"} {
		if !slices.ContainsFunc(seen, func(s string) bool { return strings.Contains(s, part) }) {
			t.Errorf("%s was not seen among the processes %q", part, seen)
		}
	}
	p.secret("an argument of a script", p.argument) // operators see it in the job that they made
	for _, line := range seen {
		p.look("the command line of a process", []byte(line))
	}
	log := p.read(p.log)
	if !bytes.Contains(log, []byte("path=/api/v1/login")) {
		t.Error("the log does not tell of requests")
	}
	p.look("the log", log)

	// What a stolen database or backup holds: user-data, which machines need again,
	// arguments of jobs, the links of images, and the CSRF tokens of sessions, which
	// are nothing without the session's secret; no key, token or password.
	maps.DeleteFunc(p.secrets, func(value, what string) bool {
		return strings.Contains(value, "hunter") || what == "a session's CSRF token"
	})
	for _, pattern := range []string{"atoll.db*", "blobs/*/*", "blobs/*/*/*", "blobs/*/*/*/*"} {
		files, err := filepath.Glob(filepath.Join(p.data, pattern))
		p.ok(err)
		for _, file := range files {
			if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
				p.look(file, p.read(file))
			}
		}
	}
	p.agentFiles()
}
