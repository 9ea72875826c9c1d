package control

import (
	"fmt"
	"slices"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// addJobs adds n jobs like the model, of an operation unless it is "".
func addJobs(t *testing.T, c *Control, n int, model cloud.Job) (ids []string) {
	t.Helper()
	jobs := make([]*cloud.Job, n)
	for i := range jobs {
		j := model
		j.ID, j.Action, j.TargetRole, j.Step = cloud.NewID[cloud.JobID](), cloud.ActionNoop, cloud.RoleStorage, fmt.Sprint(i)
		jobs[i] = &j
		ids = append(ids, string(j.ID))
	}
	inTx(t, c, func(tx *store.Tx) error { return c.jobs.Add(tx, jobs...) })
	return ids
}

func addOperation(t *testing.T, c *Control, account cloud.AccountID) *cloud.Operation {
	t.Helper()
	o := &cloud.Operation{ID: cloud.NewID[cloud.OperationID](), Kind: "test", AccountID: account, State: cloud.OperationRunning, SubjectKind: cloud.KindMachine, SubjectID: cloud.NewID[string]()}
	inTx(t, c, func(tx *store.Tx) error { return tx.CreateOperation(o) })
	return o
}

// listener is a reader in a test, with all that it was told.
type listener struct {
	rd  *noticeReader
	r   *Request
	got []Notice
}

func listen(t *testing.T, c *Control, r *Request, f EventFilter) *listener {
	t.Helper()
	rd, forget := c.notices.follow(r, f)
	t.Cleanup(forget)
	l := &listener{rd: rd, r: r}
	l.read() // the first ones
	return l
}

func (l *listener) read() []Notice {
	l.got = append(l.got, l.rd.take(l.r)...)
	return l.got
}

// ids are those of the objects that were told one by one, each once.
func (l *listener) ids() []string {
	var out []string
	for _, n := range l.read() {
		if !n.Many && !slices.Contains(out, n.ID) {
			out = append(out, n.ID)
		}
	}
	slices.Sort(out)
	return out
}

func (l *listener) many(kind cloud.Kind) (n int) {
	for _, one := range l.read() {
		if one.Many && one.Kind == kind {
			n++
		}
	}
	return n
}

func TestNoticesAreForWhoMayReadTheObject(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		mine, me := newTenant(t, c, "mine")
		theirs, they := newTenant(t, c, "theirs")
		limited := *operator
		limited.Account = mine
		billing := &Request{User: &cloud.User{Name: "billing", Role: cloud.InstallationBilling}}
		staff, own, other := listen(t, c, operator, EventFilter{}), listen(t, c, me, EventFilter{}), listen(t, c, they, EventFilter{})
		token, jobsOnly := listen(t, c, &limited, EventFilter{}), listen(t, c, me, EventFilter{Kinds: []cloud.Kind{cloud.KindJob}})
		none := listen(t, c, billing, EventFilter{})
		runLoops(t, c.tellChanges)

		o := addOperation(t, c, mine)
		c.notices.operation(o.ID)
		ofMine := addJobs(t, c, 2, cloud.Job{AccountID: mine, OperationID: o.ID})
		ofTheirs := addJobs(t, c, 1, cloud.Job{AccountID: theirs, Key: "k"})
		bare := addJobs(t, c, 3, cloud.Job{})
		mineAll := slices.Sorted(slices.Values(append([]string{string(o.ID)}, ofMine...)))
		for _, tt := range []struct {
			name string
			l    *listener
			want []string
		}{
			{"staff", staff, slices.Sorted(slices.Values(slices.Concat(mineAll, ofTheirs, bare)))},
			{"own", own, mineAll},
			{"other", other, ofTheirs},
			{"a token for one account", token, mineAll},
			{"jobs only", jobsOnly, ofMine},
		} {
			until(t, "notices for "+tt.name, func() bool { return len(tt.l.ids()) >= len(tt.want) })
			if got := tt.l.ids(); !slices.Equal(got, tt.want) {
				t.Errorf("%s was told of %v, want %v", tt.name, got, tt.want)
			}
		}
		if got := none.read(); len(got) != 0 {
			t.Errorf("who may read no job and no operation was told %v", got)
		}
		last := own.got[slices.IndexFunc(own.got, func(n Notice) bool { return n.ID == ofMine[0] })]
		if last.OperationID != o.ID || last.State != "queued" || last.AccountID != mine {
			t.Errorf("told %+v of a job", last)
		}
	})
}

// TestManyJobsOfNobody: a flood of jobs that no account has is many for the staff,
// and nothing for tenants, who are told of their own as ever.
func TestManyJobsOfNobody(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		mine, me := newTenant(t, c, "mine")
		staff, own := listen(t, c, operator, EventFilter{}), listen(t, c, me, EventFilter{})
		for range 10 {
			addJobs(t, c, 1000, cloud.Job{})
		}
		id := addJobs(t, c, 1, cloud.Job{AccountID: mine, Key: "k"})
		runLoops(t, c.tellChanges)
		until(t, "many for the staff", func() bool { return staff.many(cloud.KindJob) == 2 }) // and the first
		until(t, "the tenant's own", func() bool { return slices.Equal(own.ids(), id) })
		if own.many(cloud.KindJob) != 1 || len(staff.read()) > 4 {
			t.Errorf("the tenant was told %v, the staff %v", own.got, staff.got)
		}
	})
}

// TestReaderIsBounded: a reader who does not read costs bounded memory, and is
// told in the end that many changed.
func TestReaderIsBounded(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	l := listen(t, c, operator, EventFilter{})
	for i := range 10_000 {
		l.rd.add([]told{
			{Notice: Notice{Kind: cloud.KindJob, ID: fmt.Sprint(i)}, of: target{kind: cloud.KindJob}},
			{Notice: Notice{Kind: cloud.KindOperation, ID: fmt.Sprint(i % 7), Progress: int64(i)}, of: target{kind: cloud.KindOperation}},
		})
		for kind, w := range l.rd.waiting {
			if len(w.list) > maxNotices || len(w.at) > maxNotices {
				t.Fatalf("%d notices of %s wait", len(w.list), kind)
			}
		}
	}
	got := l.rd.take(operator)
	if len(got) != 8 || got[7].Kind != cloud.KindJob || !got[7].Many {
		t.Errorf("told %v", got)
	}
	for _, n := range got[:7] {
		if n.Progress < 9_993 {
			t.Errorf("of operation %s the progress %d is told, which is old", n.ID, n.Progress)
		}
	}
	l.rd.add([]told{{Notice: Notice{Kind: cloud.KindJob, ID: "x"}, of: target{kind: cloud.KindJob}}})
	if got := l.rd.take(&Request{User: &cloud.User{}}); len(got) != 0 {
		t.Errorf("who lost the right was told %v", got)
	}
}

func TestNoticesCostNothingUnheard(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	addJobs(t, c, 10, cloud.Job{})
	if own, others := c.notices.take(); !own.empty() || !others.empty() {
		t.Errorf("noted %v and %v although nobody listens", own, others)
	}
}

// TestNoticesAmongControllers: what one controller tells the others note; one that
// is gone may have had something to tell.
func TestNoticesAmongControllers(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	l := listen(t, c, operator, EventFilter{})
	runLoops(t, c.tellChanges)
	o := addOperation(t, c, "")
	c.notices.heard("operations " + string(o.ID))
	until(t, "the operation", func() bool { return slices.Equal(l.ids(), []string{string(o.ID)}) })
	for i, tell := range []func(){
		func() { c.notices.heard("jobs *") },
		func() { c.notices.heard("bare *") },
		func() { c.notices.alive([]cloud.ControllerID{"a", "b"}); c.notices.alive([]cloud.ControllerID{"a"}) },
		c.notices.missed,
	} {
		c.notices.heard("something new") // of a later version
		tell()
		until(t, "many", func() bool { return l.many(cloud.KindJob) == 2+i })
	}
	if n := l.many(cloud.KindOperation); n != 3 {
		t.Errorf("%d times many operations changed, want 3", n)
	}
}
