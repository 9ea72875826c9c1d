package rest

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
)

// TestEventQuery narrows the audit log and downloads it.
func TestEventQuery(t *testing.T) {
	w := newWorld(t)
	operator := w.user("op", cloud.InstallationOperator, "")
	stranger := w.user("eve", "", "")
	// Beside the token of its own:
	w.post(operator, "/api/v1/accounts", `{"name":"acme","description":"=1+1"}`).status(201)
	w.post(operator, "/api/v1/sizes", `{"name":"odd","vcpus":1,"memory_mib":64,"disk_gib":1}`).status(201)
	w.post(operator, "/api/v1/accounts", `{"name":"last"}`).status(201)
	count := func(query string) int {
		var page api.Page[api.Event]
		a := w.get(w.admin, "/api/v1/events?limit=1000&"+query)
		a.status(200)
		a.read(&page)
		return len(page.Items)
	}
	w.eventually("events with numbers", func() bool { return count("action=account.create&actor=op") == 2 })
	var u api.User
	w.get(w.admin, "/api/v1/users/op").read(&u)
	ago, soon := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339)), url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	for query, want := range map[string]int{
		"actor=op": 4, "actor=" + u.ID: 4, "actor=nobody": 0, "actor=op&action=size": 1, "actor=op&action=ccount": 0, "actor=op&action=account.create": 2,
		"actor=op&outcome=ok&class=api&subject_kind=account": 2, "actor=op&outcome=refused": 0, "actor=op&class=auth": 0,
		"actor=op&from=" + ago: 4, "actor=op&to=" + ago: 0, "actor=op&from=" + soon: 0, "actor=op&from=" + ago + "&to=" + soon: 4,
		"subject=" + u.ID: 1, "actor=op&filter=kind%3Dsize": 1,
	} {
		if got := count(query); got != want {
			t.Errorf("%s finds %d events, want %d", query, got, want)
		}
	}
	for field, query := range map[string]string{"outcome": "outcome=good", "class": "class=x", "from": "from=yesterday", "subject": "subject=x"} {
		w.get(w.admin, "/api/v1/events?"+query).problem(422, "invalid", field)
	}

	a := w.get(w.admin, "/api/v1/events:export?format=csv&actor=op")
	a.status(200)
	rows, err := csv.NewReader(strings.NewReader(a.text)).ReadAll()
	w.ok(err)
	if len(rows) != 5 || rows[0][0] != "seq" || rows[2][3] != "account.create" || rows[3][3] != "size.create" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("CSV %q, %v", rows, a.Header)
	}
	a = w.get(w.admin, "/api/v1/events:export?actor=op&action=account.")
	lines := strings.Split(strings.TrimSpace(a.text), "\n")
	var e api.Event
	w.ok(json.Unmarshal([]byte(lines[0]), &e))
	if len(lines) != 2 || e.SubjectName != "acme" || e.Hash == "" {
		t.Errorf("lines %q", lines)
	}
	if a := w.get(stranger, "/api/v1/events:export?format=jsonl"); strings.TrimSpace(a.text) != "" {
		t.Errorf("a stranger downloads %.200s", a.text)
	}
	if a := w.get(w.admin, "/api/v1/events:export", "Accept", "text/csv"); !strings.HasPrefix(a.text, "seq,at,") {
		t.Errorf("by Accept: %.200s", a.text)
	}
	w.get(w.admin, "/api/v1/events:export?actor=op&filter=nonsense").problem(422, "invalid", "filter")
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{"": "", "web-1": "web-1", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "a=b": "a=b"} {
		if got := cell(in); got != want {
			t.Errorf("cell(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestExportIsWhole: an export of several pages has each event once, in order.
func TestExportIsWhole(t *testing.T) {
	w := newWorld(t)
	const n = 1200
	for i := range n {
		w.ok(w.control.CreateLocation(t.Context(), w.root, &cloud.Location{Name: fmt.Sprintf("l-%d", i)}))
	}
	var lines []string
	w.eventually("all events with numbers", func() bool {
		lines = strings.Split(strings.TrimSpace(w.get(w.admin, "/api/v1/events:export?action=location.create").text), "\n")
		return len(lines) == n
	})
	for i, line := range lines {
		var e api.Event
		w.ok(json.Unmarshal([]byte(line), &e))
		if want := fmt.Sprintf("l-%d", i); e.SubjectName != want {
			t.Fatalf("line %d is of %s, want %s", i, e.SubjectName, want)
		}
	}
}
