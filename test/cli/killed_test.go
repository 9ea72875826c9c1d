package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/api"
	"atoll/test/program"
)

// A controller that is killed after it sent a webhook and before it recorded that sends
// it again when it is back, under the same id, and what happened meanwhile after it.
func TestWebhookOfAKilledProgram(t *testing.T) {
	t.Parallel()
	bin, data := program.Build(t), filepath.Join(t.TempDir(), "data")
	var mu sync.Mutex
	ids := map[string][]string{} // of the messages about a project, by its name
	first := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct {
			Data struct {
				Name string `json:"subject_name"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		mu.Lock()
		n := len(ids)
		ids[m.Data.Name] = append(ids[m.Data.Name], r.Header.Get("webhook-id"))
		mu.Unlock()
		if n == 0 {
			close(first)
			<-r.Context().Done() // it gets no answer: it is killed
		}
	}))
	t.Cleanup(receiver.Close)
	up := serve(t, bin, data)
	atoll := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "ATOLL_URL="+up.url, "ATOLL_TOKEN="+up.token, "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("atoll %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	atoll("webhook", "create", "chat", "--url", receiver.URL, "--event", "project.create")
	atoll("project", "create", "sent", "--base-domain", "staging.example.com")
	<-first
	atoll("project", "create", "waiting", "--base-domain", "staging.example.com")
	up.kill()
	up = serve(t, bin, data)
	atoll("project", "create", "later", "--base-domain", "staging.example.com")
	var list []api.Delivery
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) { // between two looks at the state
		text := atoll("webhook", "deliveries", "chat", "-o", "json")
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if len(list) == 3 && !slices.ContainsFunc(list, func(d api.Delivery) bool { return d.State != "delivered" }) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the deliveries are %+v", list)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	sent := ids["sent"]
	if len(sent) != 2 || sent[0] != sent[1] || len(ids["waiting"]) == 0 || len(ids["later"]) != 1 {
		t.Errorf("the receiver got %q", ids)
	}
	for _, d := range list {
		if d.ID == sent[0] && d.Attempts != 2 {
			t.Errorf("what was sent twice has %d attempts", d.Attempts)
		}
	}
}
