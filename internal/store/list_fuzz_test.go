package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// inventory fills a store with machines of two accounts.
func inventory(tb testing.TB, db *store.DB) []cloud.Machine {
	tb.Helper()
	var all []cloud.Machine
	states := []cloud.MachineState{cloud.MachineRunning, cloud.MachineStopped, cloud.MachineFailed}
	err := db.Update(tb.Context(), func(tx *store.Tx) error {
		home := &cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "home"}
		if err := tx.CreateLocation(home); err != nil {
			return err
		}
		for _, a := range []cloud.AccountID{"mine", "theirs"} {
			if err := tx.CreateAccount(&cloud.Account{ID: a, Name: string(a), State: cloud.AccountActive}); err != nil {
				return err
			}
		}
		for i := range 24 {
			account := cloud.AccountID([]string{"mine", "theirs"}[i%2])
			s := &cloud.Cloudspace{ID: cloud.CloudspaceID(fmt.Sprint(i)), AccountID: account, LocationID: home.ID, Name: fmt.Sprint("s", i), NetworkNum: int64(i + 1)}
			if err := tx.CreateCloudspace(s); err != nil {
				return err
			}
			m := cloud.Machine{
				ID: cloud.NewID[cloud.MachineID](), AccountID: account, CloudspaceID: s.ID, MAC: fmt.Sprintf("52:54:00:00:00:%02x", i),
				Name: []string{"web-1", "web_2", "db%1", `a\b`, "x"}[i%5], State: states[i%3],
			}
			if err := tx.CreateMachine(&m); err != nil {
				return err
			}
			all = append(all, m)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// holds is what a filter means, written another way than in SQL.
func holds(m *cloud.Machine, filter string) bool {
	i := strings.IndexAny(filter, "=!~")
	have := map[string]string{
		"name": m.Name, "state": string(m.State), "account": string(m.AccountID), "cloudspace": string(m.CloudspaceID),
		"node": string(m.NodeID), "image": string(m.ImageID),
	}[filter[:i]]
	switch filter[i] {
	case '=':
		return have == filter[i+1:]
	case '!':
		return have != filter[i+2:]
	}
	return strings.Contains(strings.ToLower(have), strings.ToLower(filter[i+1:]))
}

// FuzzList reads lists with any filter, sort, cursor and limit from a real
// SQLite. Whatever is asked for: the answer is Invalid, or exactly the rows that
// the filter means among those that the reader may see, in pages that are
// complete and in order.
func FuzzList(f *testing.F) {
	for _, s := range [][3]string{
		{"name=web-1", "name", ""},
		{"state!=running", "-state", ""},
		{"name~%", "", "garbage"},
		{"name~_", "-id", "e30"},
		{"account=theirs", "created_at", "eyJzIjoiIiwiaSI6IngifQ"},
		{"name=' OR 1=1 --", "name; DROP TABLE machines", "'"},
		{`name~\`, "name", ""},
		{"name~x') OR ('1'='1", "", ""},
		{"=", "-", "-"},
		{"node=", "", ""},
		{"name=\x00", "", ""},
		{"name~\xff", "", ""},
		{"cloudspace~1", "name", "eyJzIjoibmFtZSIsImkiOiIwMTk4YzNlMi0wMDAwLTdkMGEtOGYwMC0xYzJkM2U0ZjVhNmIiLCJ2IjoxZTl9"},
	} {
		f.Add(s[0], s[1], s[2], 5)
	}
	db := storetest.SQLite(f)
	all := inventory(f, db)
	f.Fuzz(func(t *testing.T, filter, sort, cursor string, limit int) {
		q := store.Query{Limit: limit, Sort: sort, Filter: []string{filter}, Visible: store.Visibility{Accounts: []cloud.AccountID{"mine"}}}
		if _, err := page(t, db, q, cursor); err != nil && !cloud.Is(err, cloud.Invalid) {
			t.Fatalf("cursor %q: %v", cursor, err)
		}
		var want, got []string
		next, pages := "", 0
		for {
			p, err := page(t, db, q, next)
			if cloud.Is(err, cloud.Invalid) && pages == 0 {
				return
			}
			if err != nil {
				t.Fatalf("page %d of sort %q, filter %q: %v", pages, sort, filter, err)
			}
			for _, m := range p.rows {
				got = append(got, string(m.ID))
			}
			if pages++; p.next == "" {
				break
			}
			if next = p.next; pages > len(all) {
				t.Fatalf("sort %q: the pages do not end", sort)
			}
		}
		for i := range all {
			if all[i].AccountID == "mine" && holds(&all[i], filter) {
				want = append(want, string(all[i].ID))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("filter %q, sort %q, limit %d: %d rows, want %d", filter, sort, limit, len(got), len(want))
		}
	})
}

type machinePage struct {
	rows []cloud.Machine
	next string
}

func page(t *testing.T, db *store.DB, q store.Query, cursor string) (p machinePage, err error) {
	t.Helper()
	q.Cursor = cursor
	err = db.View(t.Context(), func(tx *store.Tx) (err error) { p.rows, p.next, err = tx.Machines(q); return err })
	for i := range p.rows {
		if p.rows[i].AccountID != "mine" {
			t.Errorf("%+v shows a machine of another account", q)
		}
	}
	return p, err
}

// TestTextThatNoDatabaseKeeps: PostgreSQL refuses such text, so both do.
func TestTextThatNoDatabaseKeeps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, text := range []string{"a\x00b", "a\xffb"} {
			err := db.View(t.Context(), func(tx *store.Tx) error {
				_, _, err := tx.Machines(store.Query{Visible: store.Everything, Filter: []string{"name=" + text}})
				return err
			})
			if !cloud.Is(err, cloud.Invalid) {
				t.Errorf("filter by %q = %v, want invalid", text, err)
			}
			err = db.Update(t.Context(), func(tx *store.Tx) error {
				return tx.CreateAccount(&cloud.Account{ID: cloud.NewID[cloud.AccountID](), Name: "a", Description: text})
			})
			if db.Shared() && !cloud.Is(err, cloud.Invalid) {
				t.Errorf("a description %q = %v, want invalid", text, err)
			}
		}
	})
}
