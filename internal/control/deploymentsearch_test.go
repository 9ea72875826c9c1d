package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// staging is a project with deployments that no script made.
func (w *world) staging(a *cloud.Account, name string, list ...cloud.Deployment) *cloud.Project {
	w.t.Helper()
	domain := "staging.example.com"
	p, err := w.CreateProject(w.t.Context(), w.root, string(a.ID), ProjectChange{Name: &name, BaseDomain: &domain})
	w.ok(err)
	w.ok(w.DB.Update(w.t.Context(), func(tx *store.Tx) error {
		for i := range list {
			d := &list[i]
			d.ID, d.AccountID, d.ProjectID, d.State = cloud.NewID[cloud.DeploymentID](), a.ID, p.ID, cloud.DeploymentRunning
			if err := tx.CreateDeployment(d); err != nil {
				return err
			}
		}
		return nil
	}))
	return p
}

func (w *world) search(r *Request, text string, q store.Query) (names []string) {
	w.t.Helper()
	for {
		list, next, err := w.SearchDeployments(w.t.Context(), r, q, text)
		w.ok(err)
		if q.Limit > 0 && len(list) > q.Limit {
			w.t.Errorf("a page has %d deployments", len(list))
		}
		for _, f := range list {
			names = append(names, f.Deployment.Name)
		}
		if q.Cursor = next; next == "" {
			return names
		}
	}
}

func TestSearchDeployments(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ours, other := w.account("ours"), w.account("other")
		w.staging(ours, "shop",
			cloud.Deployment{Name: "orange-button", Application: cloud.Overrides{{Key: "image.tag", Value: "v1.2.3"}, {Key: "db.password", Value: "sesame", Secret: true}}},
			cloud.Deployment{Name: "orange", Comment: "for the fair in Århus"},
			cloud.Deployment{Name: "blue-button", Application: cloud.Overrides{{Key: "theme", Value: "orange"}, {Key: "image.tag", Value: "v2"}}, OwnerName: "ada"},
			cloud.Deployment{Name: "blue", Labels: map[string]string{"team": "payments"}, Deployment: cloud.Overrides{{Key: "chart_version", Deleted: true}}},
			cloud.Deployment{Name: "long", Application: cloud.Overrides{{Key: "text", Value: strings.Repeat("o r a n g e ", 100)}}},
		)
		w.staging(other, "shop", cloud.Deployment{Name: "orange-secret"})
		u := w.user("ada", "")
		w.member(u, cloud.ScopeReader, ours)
		r := w.as(u)
		for text, want := range map[string]string{
			"orange":         "orange orange-button blue-button", // the name counts most, and the whole name more
			"ORANGE  v1":     "orange-button",
			"button orange":  "orange-button blue-button",
			"obt":            "orange-button",
			"orgbtn":         "orange-button",
			"image.tag":      "blue-button orange-button",
			"tag=v2":         "blue-button orange-button", // v1.2.3 has the letters, too
			"ada":            "blue-button",
			"århus":          "orange",
			"payments":       "blue",
			"chart_version":  "blue",
			"sesame":         "",
			"db.password":    "orange-button",
			"nothing orange": "",
		} {
			if got := strings.Join(w.search(r, text, store.Query{}), " "); got != want {
				t.Errorf("search %q finds %q, want %q", text, got, want)
			}
			if got := strings.Join(w.search(r, text, store.Query{Limit: 1}), " "); got != want {
				t.Errorf("search %q finds page by page %q, want %q", text, got, want)
			}
		}
		if got := w.search(r, "orange", store.Query{Filter: []string{"name=orange"}}); !slices.Equal(got, []string{"orange"}) {
			t.Errorf("with a filter it finds %v", got)
		}
		list, next, err := w.SearchDeployments(t.Context(), r, store.Query{Limit: 1}, "button orange")
		w.ok(err)
		if got := fmt.Sprint(list[0].Finds); got != "[{name  [] [[0 6] [7 13]]}]" {
			t.Errorf("they were found at %s", got)
		}
		list, _, err = w.SearchDeployments(t.Context(), r, store.Query{}, "theme orange århus")
		w.ok(err)
		if len(list) != 0 {
			t.Errorf("words of two deployments find %v", list)
		}
		list, _, err = w.SearchDeployments(t.Context(), r, store.Query{}, "eme oran")
		w.ok(err)
		if got := fmt.Sprint(list[0].Finds); got != "[{application theme [[2 5]] [[0 4]]}]" {
			t.Errorf("they were found at %s", got)
		}
		for name, q := range map[string]store.Query{"a sort": {Sort: "name"}, "a cursor of another search": {Cursor: next}, "no cursor": {Cursor: "x"}} {
			_, _, err := w.SearchDeployments(t.Context(), r, q, "orange")
			w.fails(name, err, cloud.Invalid)
		}
		for _, text := range []string{" ", strings.Repeat("a ", 11), strings.Repeat("a", 33)} {
			_, _, err := w.SearchDeployments(t.Context(), r, store.Query{}, text)
			w.fails("search "+text, err, cloud.Invalid)
		}
	})
}

// BenchmarkSearchDeployments searches a thousand deployments, as those of
// bench/deployments with one override and a label each, or with twenty overrides.
func BenchmarkSearchDeployments(b *testing.B) {
	for _, overrides := range []int{1, 20} {
		w := &world{newControl(b, storetest.SQLite(b)), b, System("test")}
		a := w.account("ours")
		var list []cloud.Deployment
		for i := range 1000 {
			d := cloud.Deployment{
				Name: fmt.Sprintf("feature-%04d-%s", i, []string{"orange", "basket", "login", "export"}[i%4]), OwnerName: "ada",
				Comment: "for the review of next week", Labels: map[string]string{"team": "payments"},
			}
			for j := range overrides {
				o := cloud.Override{Key: fmt.Sprintf("service-%d.replicas.%d", j, i), Value: fmt.Sprintf("registry.example.com/team/service-%d:v%d", j, i)}
				d.Application = append(d.Application, o)
				d.EffectiveApplication = append(d.EffectiveApplication, cloud.KeyValue{Key: o.Key, Value: o.Value})
			}
			list = append(list, d)
		}
		w.staging(a, "shop", list...)
		for _, text := range []string{"feature", "orange", "fetr ornge", "service-7 v99", "nothing"} {
			b.Run(fmt.Sprintf("%d/%s", overrides, text), func(b *testing.B) {
				var times []time.Duration
				for b.Loop() {
					start := time.Now()
					if _, _, err := w.SearchDeployments(b.Context(), w.root, store.Query{}, text); err != nil {
						b.Fatal(err)
					}
					times = append(times, time.Since(start))
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
	}
}
