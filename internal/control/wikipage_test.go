package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// page makes a space of the account, and a page in it.
func (w *world) page(a *cloud.Account, space, slug, body string) WikiPageRef {
	w.t.Helper()
	s, err := w.CreateWikiSpace(w.t.Context(), w.root, string(a.ID), "", WikiSpaceChange{Name: &space})
	w.ok(err)
	p, err := w.CreateWikiPage(w.t.Context(), w.root, WikiSpaceRef{Space: string(s.ID)}, WikiPageChange{Slug: &slug, Body: &body})
	w.ok(err)
	return WikiPageRef{Page: string(p.ID)}
}

func (w *world) revisions(ref WikiPageRef) (numbers []int64) {
	w.t.Helper()
	list, _, err := w.WikiRevisions(w.t.Context(), w.root, ref, store.Query{Sort: "number"})
	w.ok(err)
	for _, r := range list {
		numbers = append(numbers, r.Number)
	}
	return numbers
}

// Of each page the newest revisions are kept, and a deleted page goes with all of them
// when its time is over.
func TestWikiPageRetention(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Retention.PageRevisions, w.Retention.Deleted = 3, time.Hour
		a := w.account("ours")
		one, other := w.page(a, "one", "index", "text 1"), w.page(a, "other", "index", "text 1")
		for n := 2; n <= 6; n++ {
			body := fmt.Sprintf("text %d", n)
			_, err := w.UpdateWikiPage(ctx, w.root, one, WikiPageChange{Body: &body})
			w.ok(err)
		}
		if got := fmt.Sprint(w.revisions(one)); got != "[4 5 6]" {
			t.Errorf("of six revisions there are %s", got)
		}
		if got := fmt.Sprint(w.revisions(other)); got != "[1]" {
			t.Errorf("of another page there are %s", got)
		}
		_, err := w.WikiRevision(ctx, w.root, one, 3)
		w.fails("a revision that is gone", err, cloud.NotFound)
		_, err = w.RestoreWikiRevision(ctx, w.root, one, 3)
		w.fails("restore of a revision that is gone", err, cloud.NotFound)
		slug := "moved"
		_, err = w.UpdateWikiPage(ctx, w.root, one, WikiPageChange{Slug: &slug}) // no revision
		w.ok(err)
		p, err := w.RestoreWikiRevision(ctx, w.root, one, 4)
		w.ok(err)
		if got := fmt.Sprint(w.revisions(one)); got != "[5 6 7]" || p.Body != "text 4" || p.Slug != slug {
			t.Errorf("after the restore there are %s, the page is %+v", got, p)
		}
		if r, err := w.WikiRevision(ctx, w.root, one, 7); err != nil || r.RestoredFrom != 4 || !r.Current {
			t.Errorf("the restored revision is %+v, %v", r, err)
		}

		w.ok(w.DeleteWikiPage(ctx, w.root, one))
		w.ok(w.retainOnce(ctx))
		if pages, revisions := count(t, w.Control, "wiki_pages"), count(t, w.Control, "wiki_revisions"); pages != 2 || revisions != 4 {
			t.Errorf("within its time after the deletion there are %d pages, %d revisions", pages, revisions)
		}
		w.exec("UPDATE wiki_pages SET deleted_at = deleted_at - " + text(cloud.Time(2*time.Hour/time.Microsecond)) + " WHERE deleted_at > 0")
		w.ok(w.retainOnce(ctx))
		if pages, revisions := count(t, w.Control, "wiki_pages"), count(t, w.Control, "wiki_revisions"); pages != 1 || revisions != 1 {
			t.Errorf("after its time there are %d pages, %d revisions", pages, revisions)
		}
		if p, err := w.WikiPage(ctx, w.root, other); err != nil || p.Body != "text 1" {
			t.Errorf("the other page is %+v, %v", p, err)
		}
	})
}

// Each change of a page is an event, without its text; what changes nothing is none, and
// a refusal is one.
func TestWikiPageEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("ours")
		u := w.user("ada", "")
		w.member(u, cloud.ScopeReader, a)
		ref := w.page(a, "notes", "index", "peculiar")
		body, same := "peculiar too", "peculiar too"
		_, err := w.UpdateWikiPage(ctx, w.root, ref, WikiPageChange{Body: &body})
		w.ok(err)
		_, err = w.UpdateWikiPage(ctx, w.root, ref, WikiPageChange{Body: &same})
		w.ok(err)
		_, err = w.RestoreWikiRevision(ctx, w.root, ref, 1)
		w.ok(err)
		w.fails("a reader deletes", w.DeleteWikiPage(ctx, w.as(u), ref), cloud.Denied)
		w.ok(w.DeleteWikiPage(ctx, w.root, ref))
		for action, outcomes := range map[string]string{
			"page.create": "[ok]", "page.update": "[ok]", "page.restore": "[ok]", "page.delete": "[refused ok]",
		} {
			var got []cloud.Outcome
			for _, e := range w.events(action) {
				got = append(got, e.Outcome)
				if e.Outcome != cloud.OutcomeOK {
					continue
				}
				if e.SubjectKind != cloud.KindWikiPage || e.SubjectID != ref.Page || e.SubjectName != "index" || e.AccountID != a.ID {
					t.Errorf("%s is about %s %s %q of %s", action, e.SubjectKind, e.SubjectID, e.SubjectName, e.AccountID)
				}
				if text := string(e.Difference); text == "" || strings.Contains(text, "peculiar") {
					t.Errorf("%s says %q", action, text)
				}
			}
			if fmt.Sprint(got) != outcomes {
				t.Errorf("%s: outcomes %v, want %s", action, got, outcomes)
			}
		}
	})
}
