package store

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atoll/internal/cloud"
)

// TestPagesAreReadFromAnIndex asks SQLite how it would read pages: it has to find
// the rows by what is equal and read them in order, so that the cost of a page does
// not grow with the table.
func TestPagesAreReadFromAnIndex(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "atoll.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	one := Visibility{Accounts: []cloud.AccountID{"a"}}
	for _, tt := range []struct {
		filter string
		sorts  string
		sees   Visibility
		index  string // "" for any, as long as nothing is sorted
	}{
		{filter: "state=running", sorts: "name -name", index: "machines_by_state_name"},
		{filter: "state=running", sorts: "state created_at -created_at", index: "machines_by_state"},
		{filter: "account=a", sorts: "name -name state created_at -created_at"},
		{filter: "image=i", sorts: "name -name state created_at -created_at"},
		{filter: "name~web", sorts: "name -name state created_at -created_at"},
		{sees: one, sorts: "name -name state created_at -created_at"},
		// Of one account there are fewer than of an image or a state.
		{filter: "image=i", sees: one, sorts: "name -name state created_at -created_at", index: "machines_by_account"},
		{filter: "state=running", sees: one, sorts: "name -name state created_at -created_at", index: "machines_by_account"},
		{filter: "state!=running", sees: one, sorts: "name -name state created_at -created_at", index: "machines_by_account"},
	} {
		for sort := range strings.FieldsSeq(tt.sorts) {
			q := Query{Limit: 100, Sort: sort, Visible: Everything}
			if tt.filter != "" {
				q.Filter = []string{tt.filter}
			}
			if len(tt.sees.Accounts) > 0 {
				q.Visible = tt.sees
			}
			plan := planOf(t, db, &machines, q)
			if strings.Contains(plan, "ORDER BY") || !strings.Contains(plan, "INDEX "+tt.index) {
				t.Errorf("machines %q by %s: %s, want no sort and the index %q", q.Filter, sort, plan, tt.index)
			}
		}
	}
	// Of jobs, nearly all have ended, and succeeded.
	for state, index := range map[string]string{
		"queued": "jobs_queued", "leased": "jobs_held", "running": "jobs_held", "failed": "jobs_unsuccessful", "lost": "jobs_unsuccessful",
	} {
		for _, sort := range []string{"created_at", "-created_at"} {
			plan := planOf(t, db, &jobs, Query{Limit: 100, Filter: []string{"state=" + state}, Sort: sort, Visible: Everything})
			if !strings.Contains(plan, "INDEX "+index) {
				t.Errorf("%s jobs by %s: %s, want the index %s", state, sort, plan, index)
			}
			if index == "jobs_unsuccessful" && strings.Contains(plan, "ORDER BY") {
				t.Errorf("%s jobs by %s: %s, want no sort", state, sort, plan)
			}
		}
	}
}

func planOf[T any](t *testing.T, db *DB, tab *table[T], q Query) string {
	t.Helper()
	where, args, err := tab.page(db.d, q)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.read.QueryContext(t.Context(), fmt.Sprintf("EXPLAIN QUERY PLAN SELECT * FROM %s WHERE %s", tab.name, where), plain(args)...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var text string
		if err := rows.Scan(&id, &parent, &unused, &text); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(steps)
	return strings.Join(steps, "; ")
}
