package octo

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/octopod"
)

// server answers what it is told and keeps what it was asked.
type server struct {
	*httptest.Server
	t       *testing.T
	asked   []string // METHOD path body
	matches []string // If-Match headers of updates
	answers map[string]answer
}

type answer struct {
	status int
	body   string
	etag   string
}

const success = `{"tag":"Success"}`

func newServer(t *testing.T) *server {
	s := &server{t: t, answers: map[string]answer{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "Basic secret" {
		s.t.Errorf("Authorization is %q, want what the environment has", got)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	call := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/octopod/shop/api/v1")
	s.asked = append(s.asked, strings.TrimSpace(call+" "+string(body)))
	if r.Method == http.MethodPut {
		s.matches = append(s.matches, r.Header.Get("If-Match"))
	}
	a, ok := s.answers[call]
	if !ok {
		a = answer{body: success}
	}
	if a.etag != "" {
		w.Header().Set("ETag", a.etag)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	io.WriteString(w, a.body)
}

// run runs a command line.
func (s *server) run(args ...string) (code int, stdout, stderr string) {
	s.asked, s.matches = nil, nil
	env := map[string]string{"OCTOPOD_URL": s.URL + "/octopod/shop/", "OCTO_AUTHORIZATION_HEADER": "Basic secret"}
	return runWith(s.t, env, args...)
}

func runWith(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	root := New(Env{&out, &err, func(k string) string { return env[k] }, "test"})
	root.SetArgs(args)
	code = Execute(t.Context(), root)
	return code, out.String(), err.String()
}

func TestCommands(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct {
		args string
		want string
	}{
		{"create -n web -e image.tag=v1 -e FOO=a=b -o size=2", `POST /deployments {"name":"web","app_overrides":[["image.tag",{"tag":"ValueAdded","contents":"v1"}],["FOO",{"tag":"ValueAdded","contents":"a=b"}]],"deployment_overrides":[["size",{"tag":"ValueAdded","contents":"2"}]]}`},
		{"create --name web --set-app-config a=1 --set-deployment-config b=2", `POST /deployments {"name":"web","app_overrides":[["a",{"tag":"ValueAdded","contents":"1"}]],"deployment_overrides":[["b",{"tag":"ValueAdded","contents":"2"}]]}`},
		{"create -n web -t v2 --delete-app-config x", `POST /deployments {"name":"web","app_overrides":[["image.tag",{"tag":"ValueAdded","contents":"v2"}],["x",{"tag":"ValueDeleted"}]],"deployment_overrides":[]}`},
		{"archive -n web", "DELETE /deployments/web"},
		{"restore -n web", "PATCH /deployments/web/restore"},
		{"cleanup -n web", "DELETE /deployments/web/cleanup"},
		{"delete -n web", "DELETE /deployments/web/delete"},
		{"archive -n a/../b", "DELETE /deployments/a%2F..%2Fb"},
	} {
		code, stdout, stderr := s.run(strings.Fields(tt.args)...)
		if code != 0 || stdout != "" || stderr != "" {
			t.Errorf("octo %s: code %d, stdout %q, stderr %q; want nothing", tt.args, code, stdout, stderr)
		}
		if diff := cmp.Diff([]string{tt.want}, s.asked); diff != "" {
			t.Errorf("octo %s asks (-want +got):\n%s", tt.args, diff)
		}
	}
}

const webInfo = `{"deployment":{"name":"web","app_overrides":[["a",{"tag":"ValueAdded","contents":"1"}],["b",{"tag":"ValueDeleted"}]],` +
	`"deployment_overrides":[["c",{"tag":"ValueAdded","contents":"3"}]]},` +
	`"status":{"tag":"DeploymentNotPending","recorded_status":{"tag":"Running"}},"metadata":[],` +
	`"created_at":"2022-01-02T03:04:05Z","updated_at":"2022-01-02T03:04:05Z"}`

// TestUpdate keeps all overrides that it is not about, which the original lost.
func TestUpdate(t *testing.T) {
	s := newServer(t)
	s.answers["GET /deployments/web/full_info"] = answer{body: webInfo}
	for _, tt := range []struct {
		args string
		app  string
		dep  string
	}{
		{"-e a=2 -e d=4", `[["d",{"tag":"ValueAdded","contents":"4"}],["a",{"tag":"ValueAdded","contents":"2"}],["b",{"tag":"ValueDeleted"}]]`, `[["c",{"tag":"ValueAdded","contents":"3"}]]`},
		{"-E a -O c", `[["b",{"tag":"ValueDeleted"}]]`, `[]`},
		{"--unset-app-env-override b --unset-deployment-override c -o e=5", `[["a",{"tag":"ValueAdded","contents":"1"}]]`, `[["e",{"tag":"ValueAdded","contents":"5"}]]`},
		{"--unset-app-env-configuration b --unset-deployment-configuration c", `[["a",{"tag":"ValueAdded","contents":"1"}]]`, `[]`},
		{"--delete-deployment-config c", `[["a",{"tag":"ValueAdded","contents":"1"}],["b",{"tag":"ValueDeleted"}]]`, `[["c",{"tag":"ValueDeleted"}]]`},
		{"-E a -e a=7", `[["a",{"tag":"ValueAdded","contents":"7"}],["b",{"tag":"ValueDeleted"}]]`, `[["c",{"tag":"ValueAdded","contents":"3"}]]`},
	} {
		code, _, stderr := s.run(append([]string{"update", "-n", "web"}, strings.Fields(tt.args)...)...)
		want := []string{"GET /deployments/web/full_info", `PUT /deployments/web {"app_overrides":` + tt.app + `,"deployment_overrides":` + tt.dep + `}`}
		if diff := cmp.Diff(want, s.asked); diff != "" || code != 0 {
			t.Errorf("octo update %s: code %d, %s asks (-want +got):\n%s", tt.args, code, stderr, diff)
		}
	}
	code, _, stderr := s.run("update", "-n", "web", "-E", "z")
	if code != 1 || stderr != "override z not present in deployment\n" || len(s.asked) != 1 {
		t.Errorf("unset of what is not there: code %d, %q, asked %q", code, stderr, s.asked)
	}
}

// TestUpdateRace makes the update anew if somebody else was faster.
func TestUpdateRace(t *testing.T) {
	s := newServer(t)
	s.answers["GET /deployments/web/full_info"] = answer{body: webInfo, etag: `"3"`}
	s.answers["PUT /deployments/web"] = answer{status: http.StatusPreconditionFailed, body: "changed meanwhile"}
	code, _, stderr := s.run("update", "-n", "web", "-e", "a=2")
	if code != 1 || stderr != "412 Precondition Failed\nchanged meanwhile\n" {
		t.Errorf("code %d, %q", code, stderr)
	}
	if diff := cmp.Diff([]string{`"3"`, `"3"`, `"3"`, `"3"`, `"3"`}, s.matches); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct {
		name, args, want string
		answer           answer
	}{
		{"plain text", "archive -n web", "409 Conflict\nThe deployment is currently being processed.\n", answer{409, "The deployment is currently being processed.", ""}},
		{"app error", "archive -n web", "405 Method Not Allowed\nGraceful shutdown activated\n", answer{405, `{"tag":"AppError","error_message":"Graceful shutdown activated"}`, ""}},
		{"names", "archive -n web", "400 Bad Request\none\ntwo\n", answer{400, `{"tag":"ValidationError","name_field":["one","two"]}`, ""}},
		{"no body", "archive -n web", "401 Unauthorized\n", answer{401, "", ""}},
		{"refused with 200", "archive -n web", "200 OK\nno\n", answer{200, `{"tag":"AppError","error_message":"no"}`, ""}},
		{"no json", "archive -n web", "200 OK\nThe response body could not be decoded: invalid character '<' looking for beginning of value\n", answer{200, "<html>", ""}},
	} {
		s.answers["DELETE /deployments/web"] = tt.answer
		code, stdout, stderr := s.run(strings.Fields(tt.args)...)
		if code != 1 || stdout != "" || stderr != tt.want {
			t.Errorf("%s: code %d, stdout %q, stderr %q; want %q", tt.name, code, stdout, stderr, tt.want)
		}
	}
	s.answers["GET /deployments/web/info"] = answer{body: "[]"}
	if code, _, stderr := s.run("info", "-n", "web"); code != 1 || stderr != "deployment web not found\n" {
		t.Errorf("info of nothing: code %d, %q", code, stderr)
	}
}

func TestUsage(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct{ args, want string }{
		{"create -n web -e FOO", "Malformed override key-value pair FOO, should be similar to FOO=bar\n"},
		{"archive", "required flag(s) \"name\" not set\n"},
		{"logs -a x", "invalid argument \"x\" for \"-a, --action\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\n"},
		{"logs -a 1 -l x", "option -l: cannot parse value \"x\": it must be stdout, stderr or all\n"},
		{"clean-archive", "unknown command \"clean-archive\" for \"octo\"\n"},
	} {
		code, _, stderr := s.run(strings.Fields(tt.args)...)
		if code != 1 || stderr != tt.want || len(s.asked) > 0 {
			t.Errorf("octo %s: code %d, %q, want %q; asked %q", tt.args, code, stderr, tt.want, s.asked)
		}
	}
	if code, _, stderr := s.run(); code != 1 || !strings.Contains(stderr, "Missing: COMMAND") {
		t.Errorf("octo: code %d, %q", code, stderr)
	}
	for want, env := range map[string]map[string]string{
		"OCTO_AUTHORIZATION_HEADER is not set\n": {"OCTOPOD_URL": s.URL},
		"OCTOPOD_URL is not set\n":               {"OCTO_AUTHORIZATION_HEADER": "x"},
		"could not parse OCTOPOD_URL\n":          {"OCTO_AUTHORIZATION_HEADER": "x", "OCTOPOD_URL": "ftp://x"},
	} {
		if code, _, stderr := runWith(t, env, "list"); code != 1 || stderr != want {
			t.Errorf("without it: code %d, %q, want %q", code, stderr, want)
		}
	}
	if code, stdout, _ := runWith(t, nil, "update", "--help"); code != 0 || !strings.Contains(stdout, "--unset-app-env-override") {
		t.Errorf("help without an environment: code %d, %q", code, stdout)
	}
	s.Close()
	if code, _, stderr := s.run("list"); code != 1 || !strings.HasPrefix(stderr, "Connection error\n") {
		t.Errorf("server gone: code %d, %q", code, stderr)
	}
}

func TestList(t *testing.T) {
	s := newServer(t)
	s.answers["GET /deployments"] = answer{body: "[" + webInfo + "," + strings.ReplaceAll(webInfo, `"web"`, `"old"`) + "]"}
	if code, stdout, stderr := s.run("list"); code != 0 || stdout != "web\nold\n" {
		t.Errorf("code %d, %q, %q", code, stdout, stderr)
	}
}

func TestLogs(t *testing.T) {
	s := newServer(t)
	s.answers["GET /log/7"] = answer{body: `{"stdout":{"un_stdout":"out\n"},"stderr":{"un_stderr":"err\n"}}`}
	for kind, want := range map[string]string{
		"": "\t\tstdout:\n\nout\n\n\t\tstderr:\n\nerr\n\n", "all": "\t\tstdout:\n\nout\n\n\t\tstderr:\n\nerr\n\n", "both": "\t\tstdout:\n\nout\n\n\t\tstderr:\n\nerr\n\n",
		"out": "out\n", "stdout": "out\n", "err": "err\n", "stderr": "err\n",
	} {
		args := []string{"logs", "-a", "7"}
		if kind != "" {
			args = append(args, "-l", kind)
		}
		if code, stdout, stderr := s.run(args...); code != 0 || stdout != want {
			t.Errorf("-l %q: code %d, %q, %q; want %q", kind, code, stdout, stderr, want)
		}
	}
}

func TestInfo(t *testing.T) {
	s := newServer(t)
	app := octopod.Overrides{{Key: "image.tag", Value: "v1"}, {Key: "a.very.long.key.of.it", Deleted: true}}
	body, err := json.Marshal([]octopod.Info{{
		Deployment: octopod.Deployment{Name: "web", AppOverrides: app},
		Metadata:   []octopod.Link{{Name: "app", Link: "https://web.example.com"}},
		Logs: []octopod.Log{
			{ActionID: 8, Action: octopod.CleanupAction, ExitCode: 1, CreatedAt: time.Date(2022, 11, 2, 19, 1, 2, 999, time.UTC)},
			{ActionID: 7, Action: octopod.CreateAction, AppOverrides: app, CreatedAt: time.Date(2022, 11, 2, 17, 14, 3, 0, time.UTC)},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.answers["GET /deployments/web/info"] = answer{body: string(body)}
	code, stdout, stderr := s.run("info", "-n", "web")
	const want = `Current settings:
Application config:
┌───────────────────────┬─────────────┐
│             image.tag │ v1          │
├───────────────────────┼─────────────┤
│ a.very.long.key.of.it │ <<REMOVED>> │
└───────────────────────┴─────────────┘

Deployment config: 

Metadata: 
  app: https://web.example.com

Last logs:
╔═════════════════════╦═══════════╦═════════╦═════════════════════════════════╦═══════════════════╦═══════════╗
║     Created at      ║ Action id ║ Action  ║           App config            ║ Deployment config ║ Exit code ║
╠═════════════════════╬═══════════╬═════════╬═════════════════════════════════╬═══════════════════╬═══════════╣
║ 2022-11-02T19:01:02 ║     8     ║ cleanup ║                                 ║                   ║     1     ║
╠═════════════════════╬═══════════╬═════════╬═════════════════════════════════╬═══════════════════╬═══════════╣
║ 2022-11-02T17:14:03 ║     7     ║ create  ║        image.tag │ v1           ║                   ║     0     ║
║                     ║           ║         ║ ─────────────────┼───────────── ║                   ║           ║
║                     ║           ║         ║  a.very.long.key │ <<REMOVED>>  ║                   ║           ║
║                     ║           ║         ║           .of.it │              ║                   ║           ║
╚═════════════════════╩═══════════╩═════════╩═════════════════════════════════╩═══════════════════╩═══════════╝
`
	if diff := cmp.Diff(want, stdout); diff != "" || code != 0 {
		t.Errorf("code %d, %q (-want +got):\n%s", code, stderr, diff)
	}
}
