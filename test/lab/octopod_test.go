package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cli/octo"
	"atoll/internal/cloud"
	"atoll/internal/rest"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// octopodClient speaks Octopod's API as its documentation has it, and knows nothing
// of Atoll but its URL and token.
type octopodClient struct {
	t     *testing.T
	l     *Lab
	base  string // OCTOPOD_URL
	token string // OCTO_AUTHORIZATION_HEADER
}

func newOctopod(t *testing.T) (*octopodClient, *cloud.Project) {
	t.Helper()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	api, err := rest.New(l.Control, rest.Config{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	return &octopodClient{t, l, web.URL + "/octopod/shop", l.Token}, p
}

// ask sends a request and returns the status and the body.
func (c *octopodClient) ask(method, path, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", c.token)
	}
	r.Header.Set("Content-Type", "application/json;charset=utf-8")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(text))
}

// want asks and compares; want "" is any body.
func (c *octopodClient) want(method, path, body string, status int, want string) string {
	c.t.Helper()
	code, text := c.ask(method, path, body)
	if code != status || want != "" && text != want {
		c.t.Errorf("%s %s answers %d %s; want %d %s", method, path, code, text, status, want)
	}
	return text
}

const octopodSuccess = `{"tag":"Success"}`

// until waits until the deployment's status is so.
func (c *octopodClient) until(name, tag, recorded string) {
	c.t.Helper()
	want := fmt.Sprintf(`"status":{"tag":"%s","recorded_status":%s}`, tag, recorded)
	c.l.Until(name+" is "+want, func() bool {
		_, text := c.ask(http.MethodGet, "/deployments/"+name+"/full_info", "")
		return strings.Contains(text, want)
	})
}

// sim is a body with deployment overrides for the simulated scripts.
func octopodBody(name string, settings ...string) string {
	over := []any{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		over = append(over, []any{"sim." + k, map[string]string{"tag": "ValueAdded", "contents": v}})
	}
	app := []any{[]any{"image.tag", map[string]string{"tag": "ValueAdded", "contents": "v1"}}, []any{"gone", map[string]string{"tag": "ValueDeleted"}}}
	m := map[string]any{"app_overrides": app, "deployment_overrides": over}
	if name != "" {
		m["name"] = name
	}
	b, _ := json.Marshal(m) // maps of texts
	return string(b)
}

const (
	notPending     = "DeploymentNotPending"
	running        = `{"tag":"Running"}`
	archived       = `{"tag":"Archived"}`
	genericFailure = `{"tag":"Failure","contents":"GenericFailure"}`
)

// TestOctopodLives takes a deployment through its life, as a client of the original.
func TestOctopodLives(t *testing.T) {
	t.Parallel()
	c, _ := newOctopod(t)
	c.want("GET", "/deployments", "", 200, "[]")
	c.want("POST", "/deployments", octopodBody("web", "check.exit=0", "create.stdout=made it", "create.stderr=but slowly"), 200, octopodSuccess)
	c.until("web", notPending, running)
	var list []struct {
		Deployment struct {
			Name      string          `json:"name"`
			App       json.RawMessage `json:"app_overrides"`
			Overrides json.RawMessage `json:"deployment_overrides"`
		} `json:"deployment"`
		Metadata  json.RawMessage `json:"metadata"`
		CreatedAt time.Time       `json:"created_at"`
		UpdatedAt time.Time       `json:"updated_at"`
	}
	c.read(c.want("GET", "/deployments", "", 200, ""), &list)
	if len(list) != 1 || list[0].Deployment.Name != "web" || list[0].CreatedAt.IsZero() || list[0].UpdatedAt.Before(list[0].CreatedAt) ||
		string(list[0].Metadata) != `[{"name":"app","link":"http://web.staging.example.com"}]` ||
		string(list[0].Deployment.App) != `[["image.tag",{"tag":"ValueAdded","contents":"v1"}],["gone",{"tag":"ValueDeleted"}]]` ||
		string(list[0].Deployment.Overrides) != `[["sim.check.exit",{"tag":"ValueAdded","contents":"0"}],["sim.create.stdout",{"tag":"ValueAdded","contents":"made it"}],["sim.create.stderr",{"tag":"ValueAdded","contents":"but slowly"}]]` {
		t.Errorf("the list is %+v", list)
	}
	c.want("GET", "/deployments/web/status", "", 200, `{"status":"Ok"}`)
	c.want("PATCH", "/deployments/web/restore", "", 409, "Unable to transition deployment web from Running to CreatePending.")
	c.want("POST", "/deployments", octopodBody("web"), 400, `{"tag":"ValidationError","name_field":["Deployment already exists"]}`)
	c.want("PUT", "/deployments/web", octopodBody("", "check.exit=3"), 200, octopodSuccess)
	c.until("web", notPending, `{"tag":"Failure","contents":"TagMismatch"}`)
	c.want("GET", "/deployments/web/status", "", 200, `{"status":"Error"}`)
	c.want("DELETE", "/deployments/web", "", 200, octopodSuccess)
	c.until("web", notPending, archived)
	c.want("DELETE", "/deployments/web", "", 409, "Unable to transition deployment web from Archived to ArchivePending.")
	c.want("PUT", "/deployments/web", octopodBody("", "check.exit=0"), 409, "Unable to transition deployment web from Archived to UpdatePending.")
	c.want("PATCH", "/deployments/web/restore", "", 200, octopodSuccess)
	c.until("web", notPending, `{"tag":"Failure","contents":"TagMismatch"}`)
	c.logs()
	c.want("DELETE", "/deployments/web/cleanup", "", 200, octopodSuccess)
	c.l.Until("web is gone", func() bool { _, text := c.ask("GET", "/deployments", ""); return text == "[]" })
	c.want("GET", "/deployments/web/full_info", "", 404, `{"tag":"ValidationError","name_field":["Name not found"]}`)
	c.want("GET", "/deployments/web/info", "", 404, "Deployment not found.")
	c.want("PUT", "/deployments/web", octopodBody(""), 404, "Deployment not found.")
	c.l.Sound()
}

func (c *octopodClient) read(text string, v any) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
}

// logs checks the log of TestOctopodLives.
func (c *octopodClient) logs() {
	c.t.Helper()
	var info []struct {
		Logs []struct {
			ID       int64  `json:"action_id"`
			Action   string `json:"action"`
			ExitCode int    `json:"exit_code"`
			Duration struct{ Time float64 }
			App      json.RawMessage `json:"deployment_app_overrides"`
		}
	}
	c.read(c.want("GET", "/deployments/web/info", "", 200, ""), &info)
	if len(info) != 1 || len(info[0].Logs) != 4 {
		c.t.Fatalf("the log is %+v", info)
	}
	for i, want := range []string{"RestoreAction", "ArchiveAction", "UpdateAction", "CreateAction"} {
		l := info[0].Logs[i]
		failed := want == "RestoreAction" || want == "UpdateAction"
		if l.Action != want || (l.ExitCode != 0) != failed || l.Duration.Time <= 0 || !bytes.Contains(l.App, []byte("image.tag")) {
			c.t.Errorf("entry %d is %+v, want %s", i, l, want)
		}
		said := `{"stdout":{"un_stdout":""},"stderr":{"un_stderr":""}}`
		if want == "CreateAction" {
			said = `{"stdout":{"un_stdout":"made it\n"},"stderr":{"un_stderr":"but slowly\n"}}`
		}
		c.want("GET", fmt.Sprintf("/log/%d", l.ID), "", 200, said)
	}
	for _, id := range []string{"7", "-1", "x"} {
		c.want("GET", "/log/"+id, "", 400, `{"tag":"AppError","error_message":"Action not found"}`)
	}
}

// TestOctopodRefuses has what the API refuses, and what it leaves as it is.
func TestOctopodRefuses(t *testing.T) {
	t.Parallel()
	c, p := newOctopod(t)
	c.want("POST", "/deployments", octopodBody("web", "config_check.exit=1", "config_check.stdout=X"), 400, "X")
	c.want("GET", "/deployments", "", 200, "[]")
	for _, name := range []string{"", "a", "1ab", "-ab", "Ab", "a_b", "a.b", "aé", strings.Repeat("a", cloud.MaxDeploymentName+1)} {
		if text := c.want("POST", "/deployments", octopodBody(name), 400, ""); name != "" && !strings.HasPrefix(text, `{"tag":"ValidationError","name_field":["`) {
			t.Errorf("%q is refused by %s", name, text)
		}
	}
	c.want("POST", "/deployments", `{`, 400, "")
	c.want("POST", "/deployments", `{"name":"web","app_overrides":[["a"]],"deployment_overrides":[]}`, 400, "")
	c.want("POST", "/deployments", `{"name":"web","app_overrides":[["",{"tag":"ValueDeleted"}]],"deployment_overrides":[]}`, 400, "")
	c.want("GET", "/nothing", "", 404, "")
	c.want("GET", "/deployments/"+string(cloud.NewID[cloud.DeploymentID]())+"/info", "", 404, "Deployment not found.")
	c.want("POST", "/deployments", octopodBody("web", "create.sleep=1h"), 200, octopodSuccess)
	c.until("web", "DeploymentPending", `{"tag":"CreatePending"}`)
	c.want("PATCH", "/deployments/web/restore", "", 409, "The deployment is currently being processed.")
	c.want("DELETE", "/deployments/web/cleanup", "", 409, "The deployment is currently being processed.")
	c.want("DELETE", "/deployments/web", "", 200, octopodSuccess) // the original refused, and the deployment was stuck
	c.until("web", notPending, archived)
	c.want("DELETE", "/deployments/web/delete", "", 200, octopodSuccess)
	c.want("POST", "/deployments", octopodBody("bad", "create.exit=7"), 200, octopodSuccess)
	c.until("bad", notPending, genericFailure)
	c.want("GET", "/ping", "", 200, "1.2.3")
	c.want("GET", "/project_name", "", 200, `"shop"`)
	c.want("GET", "/deployment_override_keys", "", 200, "[]")
	c.want("GET", "/deployment_overrides", "", 200, "[]")
	c.want("POST", "/application_override_keys", `[["a","1"]]`, 200, "[]")
	c.want("POST", "/application_overrides", `[]`, 200, "[]")
	c.want("POST", "/application_overrides", `[["sim.app_config.stdout","k,v"],["sim.app_keys.stdout","k"]]`, 200, `[["k","v"]]`)
	c.token = "Bearer " + c.token
	c.want("GET", "/project_name", "", 200, `"shop"`)
	c.base = strings.TrimSuffix(c.base, "shop") + string(p.ID)
	c.want("GET", "/project_name", "", 200, `"shop"`)
	c.base = strings.TrimSuffix(c.base, string(p.ID)) + "other"
	c.want("GET", "/project_name", "", 404, "Project not found.")
	c.token = ""
	c.want("GET", "/project_name", "", 401, "")
}

// TestOctopodSecrets has a client that knows of no secrets change something else.
func TestOctopodSecrets(t *testing.T) {
	t.Parallel()
	c, p := newOctopod(t)
	c.l.Done(c.l.deploy(p, "web"))
	text := c.want("GET", "/deployments/web/full_info", "", 200, "")
	if strings.Contains(text, "open sesame") || !strings.Contains(text, cloud.SecretMask) {
		t.Errorf("the secret is shown as %s", text)
	}
	id := c.l.deployment(p, "web").ID
	secret := func() (o cloud.Override) {
		t.Helper()
		err := c.l.DB.View(t.Context(), func(tx *store.Tx) error {
			d, err := tx.Deployment(id)
			if err == nil {
				o = d.Application[len(d.Application)-1]
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	before := secret()
	body := `{"app_overrides":[["image.tag",{"tag":"ValueAdded","contents":"v2"}],["password",{"tag":"ValueAdded","contents":"***"}]],"deployment_overrides":[]}`
	c.want("PUT", "/deployments/web", body, 200, octopodSuccess)
	c.until("web", notPending, running)
	if after := secret(); after != before || !after.Secret {
		t.Errorf("the secret was %+v and is %+v", before, after)
	}
}

// TestOctopodEvents waits for a message after each change.
func TestOctopodEvents(t *testing.T) {
	t.Parallel()
	c, p := newOctopod(t)
	ctx := t.Context()
	url := strings.Replace(c.base, "http", "ws", 1) + "/event"
	if _, res, err := websocket.Dial(ctx, url, nil); err == nil || res.StatusCode != 401 {
		t.Errorf("without a credential: %v", err)
	}
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {c.token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	c.l.Done(c.l.deploy(p, "web"))
	kind, msg, err := ws.Read(ctx)
	if err != nil || kind != websocket.MessageText || string(msg) != "[]" {
		t.Errorf("the message is %v %q, %v", kind, msg, err)
	}
}

// TestOcto uses our octo against our API.
func TestOcto(t *testing.T) {
	t.Parallel()
	c, p := newOctopod(t)
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		env := map[string]string{"OCTOPOD_URL": c.base, "OCTO_AUTHORIZATION_HEADER": c.token}
		root := octo.New(octo.Env{Stdout: &out, Stderr: &errs, Getenv: func(k string) string { return env[k] }, Version: "test"})
		root.SetArgs(args)
		code := octo.Execute(t.Context(), root)
		return code, out.String(), errs.String()
	}
	ok := func(args ...string) string {
		t.Helper()
		code, out, errs := run(args...)
		if code != 0 || errs != "" {
			t.Fatalf("octo %v: code %d, %s", args, code, errs)
		}
		return out
	}
	ok("create", "-n", "web", "-t", "v1", "-e", "keep=1", "-o", "sim.create.stdout=made it", "-o", "sim.create.stderr=but slowly")
	c.until("web", notPending, running)
	ok("update", "-n", "web", "-e", "image.tag=v2")
	c.until("web", notPending, running)
	d := c.l.deployment(p, "web")
	if len(d.Application) != 2 || d.Application[0].Value != "1" || d.Application[1].Value != "v2" {
		t.Errorf("after the update the overrides are %+v", d.Application)
	}
	if out := ok("list"); out != "web\n" {
		t.Errorf("the list is %q", out)
	}
	info := ok("info", "-n", "web")
	if !strings.Contains(info, "  app: http://web.staging.example.com\n") || !strings.Contains(info, "update") {
		t.Errorf("the info is\n%s", info)
	}
	for _, a := range c.l.actions(d) {
		if a.Verb != cloud.VerbCreate {
			continue
		}
		for kind, want := range map[string]string{
			"out": "made it\n", "err": "but slowly\n", "all": "\t\tstdout:\n\nmade it\n\n\t\tstderr:\n\nbut slowly\n\n",
		} {
			if out := ok("logs", "-a", fmt.Sprint(a.ID.Number()), "-l", kind); out != want {
				t.Errorf("the output of create is %q by -l %s, want %q", out, kind, want)
			}
		}
	}
	ok("archive", "-n", "web")
	c.until("web", notPending, archived)
	ok("restore", "-n", "web")
	c.until("web", notPending, running)
	ok("delete", "-n", "web")
	c.l.Until("web is gone", func() bool { return ok("list") == "" })
	if code, _, errs := run("archive", "-n", "web"); code != 1 || errs != "404 Not Found\nDeployment not found.\n" {
		t.Errorf("archive of nothing: code %d, %q", code, errs)
	}
}
