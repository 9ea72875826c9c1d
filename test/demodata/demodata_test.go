// Package demodata_test starts `atoll up --demo-data` as people do, and looks at
// what it made through the API. It must never reach past that.
package demodata_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/api"
	"atoll/client"
	"atoll/test/program"
)

// up runs the program until its demo data is ready, and returns its address and what
// stops it. The rest of the log is read until it ends.
func up(t *testing.T, bin, data string) (url string, stop func()) {
	t.Helper()
	cmd := exec.Command(bin, "up", "--data", data, "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--deployments-listen", "127.0.0.1:0", "--sim", "8", "--demo-data")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		cmd.Wait()
	})
	t.Cleanup(stop)
	in := bufio.NewScanner(log)
	for in.Scan() {
		if _, address, ok := strings.Cut(in.Text(), `msg="controller ready" people=`); ok {
			url = strings.Fields(address)[0]
		}
		if strings.Contains(in.Text(), "demo data ready") {
			go func() {
				for in.Scan() {
				}
			}()
			return url, stop
		}
	}
	t.Fatal("the program ended before the demo data was ready")
	return "", nil
}

// kinds are all that the demo data has objects of, but for what comes by itself: events,
// jobs of schedules, and operations that start the machines of the simulated nodes again.
var kinds = []string{
	"accounts", "users", "memberships", "ssh-keys", "cloudspaces", "machines", "disks", "port-forwards", "images", "nodes",
	"projects", "bundles", "deployments", "actions", "scripts", "schedules", "spaces", "pages",
}

// there is what the installation has: the id and the name of each object, by kind.
func there(t *testing.T, url, token string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, kind := range kinds {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/"+kind+"?limit=1000", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var page api.Page[struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		}]
		err = json.NewDecoder(res.Body).Decode(&page)
		res.Body.Close()
		if err != nil || len(page.Items) == 0 || page.Next != "" {
			t.Fatalf("%s: %d, %d items, %v", kind, res.StatusCode, len(page.Items), err)
		}
		for _, item := range page.Items {
			out[kind] = append(out[kind], item.ID+" "+item.Name)
		}
	}
	return out
}

func TestDemoData(t *testing.T) {
	bin, data := program.Build(t), filepath.Join(t.TempDir(), "data")
	url, stop := up(t, bin, data)
	text, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(text))
	c, err := client.New(client.Config{URL: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for m, err := range c.Machines().All(t.Context(), client.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		states[m.State]++
	}
	for d, err := range c.Deployments().All(t.Context(), client.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		states[d.State]++
	}
	for state, n := range map[string]int{"running": 30, "stopped": 10, "Running": 4, "Failure": 1, "Archived": 2} {
		if states[state] != n {
			t.Errorf("%d are %s, want %d: %v", states[state], state, n, states)
		}
	}
	for p, err := range c.WikiPages().All(t.Context(), client.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		html, err := c.WikiPages().HTML(t.Context(), p.ID)
		if err != nil || len(html.Problems) > 0 {
			t.Errorf("page %s: %v, %v", p.Slug, html, err)
		}
	}
	// Once more on the same data: nothing is there twice.
	before := there(t, url, token)
	stop()
	url, _ = up(t, bin, data)
	if d := cmp.Diff(before, there(t, url, token)); d != "" {
		t.Errorf("the second start changed what is there (-before +after):\n%s", d)
	}
}
