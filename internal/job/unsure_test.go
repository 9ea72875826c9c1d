package job

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// mute is the network between a controller and PostgreSQL, which can lose the
// answer to a commit.
type mute struct {
	server string // Unix socket
	lose   atomic.Bool
	all    sync.WaitGroup
}

// mutePostgres returns a store on PostgreSQL behind a mute.
func mutePostgres(t *testing.T) (*store.DB, *mute) {
	t.Helper()
	dsn, err := url.Parse(storetest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	q := dsn.Query()
	m := &mute{server: filepath.Join(q.Get("host"), ".s.PGSQL."+q.Get("port"))}
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), ".s.PGSQL.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close(); m.all.Wait() })
	m.all.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return // closed
			}
			m.all.Go(func() { m.join(near) })
		}
	})
	q.Set("host", filepath.Dir(ln.Addr().String()))
	q.Set("port", "1")
	dsn.RawQuery = q.Encode()
	return storetest.Open(t, dsn.String()), m
}

func (m *mute) join(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("unix", m.server)
	if err != nil {
		return
	}
	defer far.Close()
	m.all.Go(func() {
		io.Copy(far, near) //nolint:errcheck // either side may end
		far.Close()
	})
	for b := make([]byte, 64<<10); ; {
		n, err := far.Read(b)
		if err != nil || bytes.Contains(b[:n], []byte("COMMIT\x00")) && m.lose.CompareAndSwap(true, false) {
			return
		}
		if _, err := near.Write(b[:n]); err != nil {
			return
		}
	}
}

// reaches takes answers until one carries the job.
func (a *agent) reaches(w *waiter, j *cloud.Job) {
	a.r.t.Helper()
	for range 3 {
		got := a.take(w)
		if len(got.Jobs) == 1 && got.Jobs[0].ID == j.ID {
			a.say(ok(got.Jobs[0].JobRef))
			a.r.want(j, cloud.JobSucceeded)
			return
		}
		w = a.say()
	}
	a.r.t.Fatal("the job did not reach its agent")
}

// A job that was inserted as leased is in the store, but the answer to the commit was
// lost: the agent gets it at once, not when all is compared after a minute.
func TestNewJobWhoseCommitWasNotAnswered(t *testing.T) {
	db, m := mutePostgres(t)
	r := newRig(t, db)
	a, w := awakeAgent(r)
	j := a.job()
	m.lose.Store(true)
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return r.Add(tx, j) }); !store.Broken(err) && !cloud.Is(err, cloud.Unavailable) {
		t.Fatalf("the commit = %v; want its answer lost", err)
	}
	r.want(j, cloud.JobLeased)
	a.reaches(w, j)
}

// The same of a job that waited.
func TestHandoverWhoseCommitWasNotAnswered(t *testing.T) {
	db, m := mutePostgres(t)
	r := newRig(t, db)
	a := r.agent()
	w := a.say()
	j := a.job()
	r.add(j) // the first one makes the lane, and is handed over by a transaction of its own
	a.reaches(w, j)
	a.room = 0
	w = a.say()
	k := a.job()
	r.add(k)
	if !w.held() {
		t.Fatal("there was no place for the job")
	}
	a.room = 10
	m.lose.Store(true)
	x := a.next()
	if err := r.Exchange(context.Background(), a.peer, x, &waiter{t: t, done: make(chan struct{})}); err == nil {
		t.Fatal("the exchange went well; want the answer to its commit lost")
	}
	r.want(k, cloud.JobLeased)
	a.reaches(a.say(), k)
}

// What an agent is told after a comparison that saw a job's insertion before we heard
// that it was committed is not told twice: it may have done the job by then.
func TestComparedWhileAJobIsInserted(t *testing.T) {
	r := newRig(t, storetest.Postgres(t))
	a, w := awakeAgent(r)
	j := a.job()
	var compared *waiter
	r.update(func(tx *store.Tx) error {
		tx.OnCommit(func() {
			r.Queue.mu.Lock()
			r.sessions[a.peer.Node].synced = time.Now().Add(-resyncEvery - time.Second)
			r.Queue.mu.Unlock()
			compared = a.say()
		})
		return r.Add(tx, j)
	})
	w.answer()
	got := a.take(compared).Jobs
	if len(got) != 1 || got[0].ID != j.ID {
		t.Fatalf("jobs = %+v, want the new one once", got)
	}
	if next := a.say(ok(got[0].JobRef)); !next.held() {
		t.Errorf("answer = %+v, want nothing more", next.got)
	}
	r.want(j, cloud.JobSucceeded)
}
