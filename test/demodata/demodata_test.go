// Package demodata_test starts `atoll up --demo-data` as people do, and looks at
// what it made through the API. It must never reach past that.
package demodata_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"atoll/client"
	"atoll/test/program"
)

// up runs the program until a line of its log has one of the words, and returns
// the line and the address. The rest of the log is read until the test ends.
func up(t *testing.T, bin, data string, until ...string) (line, url string) {
	t.Helper()
	cmd := exec.Command(bin, "up", "--data", data, "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--deployments-listen", "127.0.0.1:0", "--sim", "8", "--demo-data")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		cmd.Wait()
	})
	in := bufio.NewScanner(log)
	for in.Scan() {
		if _, address, ok := strings.Cut(in.Text(), `msg="controller ready" people=`); ok {
			url = strings.Fields(address)[0]
		}
		for _, word := range until {
			if strings.Contains(in.Text(), word) {
				line = in.Text()
				go func() {
					for in.Scan() {
					}
				}()
				return line, url
			}
		}
	}
	t.Fatal("the program ended before its log said ", until)
	return "", ""
}

func TestDemoData(t *testing.T) {
	bin, data := program.Build(t), filepath.Join(t.TempDir(), "data")
	_, url := up(t, bin, data, "demo data ready")
	token, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: url, Token: string(token)})
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
}
