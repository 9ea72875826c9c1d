package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/api"
	"atoll/client"
)

// run runs a command line against a handler and returns what it printed.
func run(t *testing.T, h http.Handler, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	env := map[string]string{"ATOLL_CONFIG": filepath.Join(t.TempDir(), "config.yaml"), "ATOLL_TOKEN": "secret"}
	if h != nil {
		s := httptest.NewServer(h)
		defer s.Close()
		env["ATOLL_URL"] = s.URL
	}
	return runIn(t, env, stdin, args...)
}

func runIn(t *testing.T, env map[string]string, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	root := New(Env{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Getenv: func(k string) string { return env[k] }, Version: "test"})
	root.SetArgs(args)
	code = Execute(t.Context(), root)
	return out.String(), errs.String(), code
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a test's answer reaches its client or the test fails
}

func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usagef("x"), 2},
		{fmt.Errorf("y: %w", &client.Error{Code: client.NotFound}), 3},
		{&client.Error{Code: client.Denied}, 4},
		{&client.Error{Code: client.Unauthenticated}, 4},
		{&client.Error{Code: client.Conflict}, 5},
		{&client.Error{Code: client.Timeout}, 6},
		{context.DeadlineExceeded, 6},
		{&waitError{"o", &timeoutError{1}}, 6},
		{&client.Error{Code: client.Quota}, 7},
		{&client.Error{Code: client.Capacity}, 7},
		{&client.Error{Code: client.RateLimited}, 1},
		{&runError{&client.Error{Code: client.Conflict}}, 1},
		{join(&client.Error{Code: client.NotFound}, errors.New("x")), 3},
	} {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("ExitCode(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for code, want := range map[string]int{"not-found": 3, "denied": 4, "conflict": 5, "quota": 7, "invalid": 1} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer(w, 400, api.Problem{Code: code, Detail: "because", RequestID: "r-1"})
		})
		stdout, stderr, got := run(t, h, "", "size", "show", "x")
		if got != want || stdout != "" || stderr != "atoll: because (request id r-1)\n" {
			t.Errorf("%s: exit %d, %q, %q", code, got, stdout, stderr)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{
		"bogus", "size bogus", "size show", "size show a b", "size list --nope", "size list -o xml", "size create x", "run -- ls",
		"run --all --role x -- ls", "machine update m", "image create x", "image create x --file a --url b", "script run x --all --arg a",
		"schedule create x --all --every 1s", "size list --context nope", "quota update x", "user password", "size list --limit -1",
	} {
		if _, stderr, code := run(t, http.NotFoundHandler(), "", strings.Fields(args)...); code != 2 && args != "user password" || code == 0 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("atoll %s: exit %d, %q", args, code, stderr)
		}
	}
}

var twoSizes = []api.Size{{ID: "1", Name: "small", VCPUs: 1, MemoryMiB: 512, DiskGiB: 5}, {ID: "2", Name: "on", VCPUs: 2, MemoryMiB: 1024, DiskGiB: 10}}

// sizesHandler answers with one size a page.
func sizesHandler(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("cursor") == "" {
		answer(w, 200, api.Page[api.Size]{Items: twoSizes[:1], Next: "2"})
		return
	}
	answer(w, 200, api.Page[api.Size]{Items: twoSizes[1:]})
}

func TestListFormats(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "NAME   VCPUS  MEMORY    DISK\nsmall  1      512 MiB   5 GiB\non     2      1024 MiB  10 GiB\n"},
		{"-o name", "small\non\n"},
		{"-o name --limit 1", "small\n"},
		{"-o json --limit 1", "[\n  {\n    \"id\": \"1\",\n    \"name\": \"small\",\n    \"vcpus\": 1,\n    \"memory_mib\": 512,\n    \"disk_gib\": 5,\n    \"version\": 0\n  }\n]\n"},
		{"-o yaml", "- id: \"1\"\n  name: small\n  vcpus: 1\n  memory_mib: 512\n  disk_gib: 5\n  version: 0\n- id: \"2\"\n  name: \"on\"\n  vcpus: 2\n  memory_mib: 1024\n  disk_gib: 10\n  version: 0\n"},
	} {
		stdout, stderr, code := run(t, http.HandlerFunc(sizesHandler), "", append([]string{"size", "list"}, strings.Fields(tt.args)...)...)
		if diff := cmp.Diff(tt.want, stdout); diff != "" || stderr != "" || code != 0 {
			t.Errorf("size list %s: exit %d, %q (-want +got)\n%s", tt.args, code, stderr, diff)
		}
	}
	empty := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, 200, api.Page[api.Size]{}) })
	if stdout, _, _ := run(t, empty, "", "size", "list", "-o", "json"); stdout != "[]\n" {
		t.Errorf("empty list as JSON is %q", stdout)
	}
}

func TestShow(t *testing.T) {
	n := api.Node{ID: "1", Name: "n\x1b[31m1", Roles: []string{"compute", "boot"}, Labels: map[string]string{"a": "b"}, Facts: api.NodeFacts{CPUs: 4}}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, 200, n) })
	stdout, _, _ := run(t, h, "", "node", "show", "n1")
	for _, want := range []string{"name:            n [31m1\n", "roles:           compute, boot\n", "labels.a:        b\n", "facts.cpus:      4\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("show has no %q:\n%s", want, stdout)
		}
	}
}

// machineHandler is a controller with one cloudspace, in which machine m is made
// by an operation that ends as told.
func machineHandler(t *testing.T, end api.Operation) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/cloudspaces", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, api.Page[api.Cloudspace]{Items: []api.Cloudspace{{ID: "c1", Name: "prod"}}})
	})
	op := api.Operation{ID: "o1", Kind: "machine.create", SubjectKind: "machine", SubjectID: "m1", SubjectName: "m", State: "running", Steps: 2}
	mux.HandleFunc("POST /api/v1/machines", func(w http.ResponseWriter, r *http.Request) {
		var in api.MachineCreate
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Cloudspace != "c1" || !slices.Equal(in.SSHKeys, []string{"laptop"}) {
			t.Errorf("create %+v, %v", in, err)
		}
		if r.URL.Query().Get("dry_run") != "" {
			answer(w, 200, api.Plan{
				Action: "machine.create", Placement: []api.Candidate{{Node: "n1", Chosen: true, Reason: "most free memory"}, {Node: "n2", Reason: "cordoned"}},
				Quota: []api.QuotaDelta{{ScopeKind: "account", Scope: "acme", Resource: "vcpus", Delta: 1, Amount: 3, Limit: 8}}, Steps: []string{"make disk"},
			})
			return
		}
		answer(w, 202, op)
	})
	mux.HandleFunc("GET /api/v1/operations/o1", func(w http.ResponseWriter, r *http.Request) {
		done := op
		done.State, done.Error, done.ErrorCode = end.State, end.Error, end.ErrorCode
		answer(w, 200, done)
	})
	mux.HandleFunc("GET /api/v1/machines/m1", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, api.Machine{ID: "m1", Name: "m", State: "running"})
	})
	return mux
}

func TestCreate(t *testing.T) {
	for _, tt := range []struct {
		args, want, fails string
		end               api.Operation
		code              int
	}{
		{args: "", want: "machine m: creating, operation o1\n"},
		{args: "--wait", end: api.Operation{State: "succeeded"}, want: "machine m created\n"},
		{args: "--wait -o name", end: api.Operation{State: "succeeded"}, want: "m\n"},
		{args: "--wait", end: api.Operation{State: "failed", Error: "no room", ErrorCode: "capacity"}, fails: "atoll: no room (operation o1)\n", code: 7},
		{args: "--wait --timeout 1s", end: api.Operation{State: "running"}, fails: "atoll: not done within 1s; the operation goes on: atoll operation show o1\n", code: 6},
		{args: "--dry-run", want: `Plan: machine.create (nothing was changed)
Placement:
  n1  chosen    most free memory
  n2  rejected  cordoned
Quota:
  account acme  vcpus  +1  3 -> 4  of 8
Steps:
  1. make disk
`},
	} {
		args := append(strings.Fields("machine create m --image i --size s --ssh-key laptop"), strings.Fields(tt.args)...)
		stdout, stderr, code := run(t, machineHandler(t, tt.end), "", args...)
		if diff := cmp.Diff(tt.want, stdout); diff != "" || stderr != tt.fails || code != tt.code {
			t.Errorf("%s: exit %d, %q (-want +got)\n%s", tt.args, code, stderr, diff)
		}
	}
	stdout, _, _ := run(t, machineHandler(t, api.Operation{}), "", strings.Fields("machine create m --image i --size s --ssh-key laptop -o json")...)
	if !strings.Contains(stdout, `"state": "running"`) {
		t.Errorf("create as JSON is not the machine:\n%s", stdout)
	}
}

// A context's token goes only to the context's server, and the file to nobody else.
func TestContexts(t *testing.T) {
	var tokens []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/api/v1/me":
			answer(w, 200, api.Me{User: api.User{Name: "ada"}})
		default:
			answer(w, 200, api.Page[api.Size]{})
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "sub", "config.yaml")
	env := map[string]string{"ATOLL_CONFIG": file}
	if stdout, stderr, code := runIn(t, env, "tok\n", "login", s.URL+"/", "--stdin", "--name", "home"); code != 0 || !strings.Contains(stdout, "as ada; context home") {
		t.Fatalf("login: exit %d, %q, %q", code, stdout, stderr)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("config file: %v, %v", st.Mode(), err)
	}
	if stdout, _, _ := runIn(t, env, "", "context", "list", "-o", "json"); strings.Contains(stdout, "tok") {
		t.Errorf("context list shows the token: %s", stdout)
	}
	runIn(t, env, "", "size", "list")
	env["ATOLL_TOKEN"] = "mine"
	runIn(t, env, "", "size", "list")
	runIn(t, env, "", "size", "list", "--context", "home")
	delete(env, "ATOLL_TOKEN")
	env["ATOLL_URL"] = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	runIn(t, env, "", "size", "list")
	if want := []string{"Bearer tok", "Bearer tok", "Bearer mine", "Bearer tok", ""}; !slices.Equal(tokens, want) {
		t.Errorf("tokens %q, want %q", tokens, want)
	}
	if err := os.WriteFile(file, []byte("colour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := runIn(t, env, "", "size", "list"); code != 1 || !strings.Contains(stderr, "repair it") {
		t.Errorf("broken config: exit %d, %q", code, stderr)
	}
}

func TestScriptArgs(t *testing.T) {
	got, err := scriptArgs([]string{"n=3", "s=a b", "l=[1]", "e="})
	if want := `{"e":"","l":[1],"n":3,"s":"a b"}`; err != nil || string(got) != want {
		t.Errorf("scriptArgs = %s, %v; want %s", got, err, want)
	}
}

func TestNatural(t *testing.T) {
	list := []string{"node-10", "b", "node-9", "node-9a", "a", "node-"}
	slices.SortFunc(list, natural)
	if want := []string{"a", "b", "node-", "node-9", "node-9a", "node-10"}; !slices.Equal(list, want) {
		t.Errorf("natural order %q, want %q", list, want)
	}
}

func TestTyped(t *testing.T) {
	for in, want := range map[string]struct {
		out  string
		left bool
	}{"ls\n": {"ls\n", false}, "ls\x1drm": {"ls", true}, "\x1d": {"", true}} {
		var out bytes.Buffer
		if left, err := typed(&out, strings.NewReader(in)); left != want.left || err != nil || out.String() != want.out {
			t.Errorf("typed(%q) = %v, %v, wrote %q", in, left, err, out.String())
		}
	}
}
