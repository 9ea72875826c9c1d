package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// What becomes of a deployment is told to the webhook of its project: its states, what
// its checks find, and that it will be archived.
func TestDeploymentWebhook(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	ctx := t.Context()
	var mu sync.Mutex
	var told []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct {
			Type string
			Data struct {
				Name       string            `json:"subject_name"`
				Difference map[string][2]any `json:"difference"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		text := m.Type + " " + m.Data.Name
		if d := m.Data.Difference; d != nil {
			text += fmt.Sprintf(" %v %v %v", d["State"][0], d["State"][1], d["Reason"][1])
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, strings.TrimSuffix(text, " <nil>"))
	}))
	t.Cleanup(receiver.Close)
	says := func(text string) {
		t.Helper()
		l.Until("the message "+text, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(told, text)
		})
	}
	p, other := l.project("shop", time.Second), l.project("other", time.Hour)
	_, _, err := l.Control.CreateWebhook(ctx, l.Admin, control.NewWebhook{
		Project: string(p.ID), Name: "chat", URL: receiver.URL, Events: []string{"deployment.state", "deployment.expires"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ttl := time.Hour
	_, o, err := l.Control.CreateDeployment(ctx, l.Admin, control.NewDeployment{Project: string(p.ID), Name: "web", TTL: &ttl})
	l.Done(o, err)
	l.Done(l.deploy(other, "api"))
	says("deployment.state web CreatePending Running")
	if err := store.ExecForTest(l.DB, `UPDATE deployments SET effective_deployment = '[{"key":"sim.check.exit","value":"3"}]' WHERE name = 'web'`); err != nil {
		t.Fatal(err)
	}
	says("deployment.state web Running Failure TagMismatch")
	soon := cloud.Now().Add(10 * time.Minute)
	storetest.Exec(t, l.DB, "UPDATE deployments SET expires_at = "+strconv.FormatInt(int64(soon), 10)+" WHERE name = 'web'")
	says("deployment.expires web")
	_, o, err = l.Control.DeleteDeployment(ctx, l.Admin, l.at(p, "web"), false)
	l.Done(o, err)
	says("deployment.state web Failure DeletePending")
	mu.Lock()
	defer mu.Unlock()
	if slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "api") }) {
		t.Errorf("the webhook of one project has events of another: %q", told)
	}
	l.Sound()
}
