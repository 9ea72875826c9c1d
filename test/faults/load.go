package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"atoll/api"
	"atoll/client"
)

// load is what the users of a run do, and what they were promised.
type load struct {
	*world
	ctx   context.Context // of the time in which they begin new things
	mu    sync.Mutex
	tags  int
	jobs  map[string]bool // ids of the jobs that were acknowledged
	calls map[string]int  // how many calls of each kind were answered, and how
	// machines and spaces are the ids of those that were made.
	machines, spaces []string
}

func newLoad(ctx context.Context, w *world) *load {
	return &load{world: w, ctx: ctx, jobs: map[string]bool{}, calls: map[string]int{}}
}

// starts is the file in which commands say that they begin and that they end.
func (w *world) starts() string { return filepath.Join(w.dir, "starts") }

// user is one of those who work at the same time.
type user struct {
	*load
	r *rand.Rand
}

// run has n users work until ctx ends, and then wait for their last answers.
func (l *load) run(seed uint64, n int) {
	var all sync.WaitGroup
	for i := range n {
		u := &user{l, rand.New(rand.NewPCG(seed, uint64(100+i)))}
		all.Go(func() {
			for l.ctx.Err() == nil {
				u.act()
			}
		})
	}
	all.Wait()
}

// act does one thing.
func (u *user) act() {
	switch u.r.IntN(12) {
	case 0, 1:
		u.noops()
	case 2, 3, 4:
		u.commands()
	case 5:
		u.keyed()
	case 6:
		u.cancel()
	case 7:
		u.fanOut()
	case 8, 9:
		u.machine()
	case 10:
		u.forward()
	case 11:
		u.space()
	}
}

// insist makes a call until it is answered, as a careful client does: with one
// Idempotency-Key. The error is a refusal.
func insist[T any](u *user, what string, call func(ctx context.Context, c *client.Client, opt client.Option) (T, error)) (T, error) {
	key := client.IdempotencyKey(fmt.Sprintf("%s-%d", what, u.tag()))
	end := time.Now().Add(patience)
	for i := u.r.IntN(len(u.people)); ; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		v, err := call(ctx, u.client(u.people[i%len(u.people)].ln.Addr().String()), key)
		cancel()
		if answered(err) {
			u.count(what, err)
			if code := client.CodeOf(err); code == client.Invalid || code == client.Internal {
				u.bad("%s: %v", what, err)
			}
			return v, err
		}
		if time.Now().After(end) {
			u.bad("%s was not answered within %s: %v", what, patience, err)
			return v, err
		}
		time.Sleep(20 * time.Millisecond) // as a client waits
	}
}

// answered reports whether the call was done or refused for good.
func answered(err error) bool {
	var e *client.Error
	switch {
	case err == nil:
		return true
	case !errors.As(err, &e):
		return false // the connection broke, or nobody was there
	case e.Status == http.StatusConflict && strings.Contains(e.Message, "ask again") && !done(err):
		return false
	}
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests || e.Code == client.Capacity
}

// done reports whether the error says that the call was done and only its answer
// is lost.
func done(err error) bool {
	return err != nil && strings.Contains(err.Error(), "its answer is not known")
}

func (u *user) count(what string, err error) {
	if err != nil {
		what += " " + client.CodeOf(err)
		if done(err) {
			what += " done"
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls[what]++
}

func (u *user) tag() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tags++
	return u.tags
}

// submit makes jobs and notes what was promised.
func (u *user) submit(what string, jobs ...api.JobCreate) {
	ids, err := insist(u, what, func(ctx context.Context, c *client.Client, opt client.Option) ([]string, error) {
		return c.Jobs().CreateBatch(ctx, jobs, opt)
	})
	if done(err) {
		return
	}
	if err != nil {
		u.bad("%s refused: %v", what, err)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range ids {
		u.jobs[id] = true
	}
}

// place says where a job goes.
func (u *user) place(j api.JobCreate) api.JobCreate {
	if u.r.IntN(3) == 0 {
		j.Role = "runner"
	} else {
		j.Node = fmt.Sprintf("agent-%d", 1+u.r.IntN(nAgents))
	}
	return j
}

func (u *user) noops() {
	list := make([]api.JobCreate, 1+u.r.IntN(20))
	for i := range list {
		list[i] = u.place(api.JobCreate{Action: "noop", Idempotent: true, Attempts: 50})
		if u.r.IntN(4) == 0 {
			list[i].Node, list[i].Role = pick(u.r, u.hostNames()), ""
		}
	}
	u.submit("noops", list...)
}

// command is a job that says when it begins and ends. Its tag is its own, so that
// a job that was made twice is found.
func (u *user) command(seconds float64) api.JobCreate {
	script := fmt.Sprintf("echo S $ATOLL_JOB >>%[1]s; sleep %.3[2]f; echo E $ATOLL_JOB >>%[1]s", u.starts(), seconds)
	if seconds == 0 {
		script = fmt.Sprintf("echo S $ATOLL_JOB >>%s", u.starts())
	}
	return api.JobCreate{Command: []string{"/bin/sh", "-c", script, fmt.Sprintf("tag-%d", u.tag())}, Timeout: "30s"}
}

func (u *user) commands() {
	list := make([]api.JobCreate, 1+u.r.IntN(4))
	for i := range list {
		j := u.command(float64(u.r.IntN(2)) * 0.2 * u.r.Float64())
		if u.r.IntN(3) == 0 {
			j.Idempotent, j.Attempts = true, 50
		}
		list[i] = u.place(j)
	}
	u.submit("commands", list...)
}

func (u *user) keyed() {
	j := u.command(0.05 * u.r.Float64())
	j.Key, j.Supersede = fmt.Sprintf("key-%d", u.r.IntN(3)), u.r.IntN(2) == 0
	u.submit("keyed", u.place(j))
}

func (u *user) cancel() {
	u.mu.Lock()
	id := ""
	for id = range u.jobs { // any one
		break
	}
	u.mu.Unlock()
	if id == "" {
		return
	}
	insist(u, "cancel", func(ctx context.Context, c *client.Client, opt client.Option) (any, error) { //nolint:errcheck // a refusal is as good
		return c.Jobs().Cancel(ctx, id, opt)
	})
}

func (u *user) fanOut() {
	run := api.RunCreate{Command: u.command(0).Command, Role: "runner", Timeout: "30s"}
	insist(u, "run", func(ctx context.Context, c *client.Client, opt client.Option) (any, error) { //nolint:errcheck // a refusal is as good
		return c.StartRun(ctx, run, opt)
	})
}

// one returns one of the ids, "" if there is none.
func (u *user) one(list *[]string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(*list) == 0 {
		return ""
	}
	return pick(u.r, *list)
}

// keep adds what an operation makes to the list.
func keep[T any](u *user, list *[]string, made *client.Result[T], err error) {
	if err != nil || made.Operation == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	*list = append(*list, made.Operation.SubjectID)
}

func (u *user) machine() {
	id := u.one(&u.machines)
	act := u.r.IntN(7)
	if id == "" || act < 2 {
		in := api.MachineCreate{
			Account: "default", Cloudspace: "default", Name: fmt.Sprintf("m-%d", u.tag()), Image: "disk", Size: "tiny",
			RunStrategy: pick(u.r, []string{"always", "rerun-on-failure", "manual"}),
		}
		if space := u.one(&u.spaces); space != "" && u.r.IntN(2) == 0 {
			in.Account, in.Cloudspace = "", space
		}
		made, err := insist(u, "machine create", func(ctx context.Context, c *client.Client, opt client.Option) (*client.Result[api.Machine], error) {
			return c.Machines().Create(ctx, in, opt)
		})
		keep(u, &u.machines, made, err)
		return
	}
	stop := api.MachineStop{Force: u.metal || u.r.IntN(2) == 0}                                               // no real guest here heeds the other one
	insist(u, "machine change", func(ctx context.Context, c *client.Client, opt client.Option) (any, error) { //nolint:errcheck // a refusal is as good
		switch act {
		case 2:
			return c.Machines().Start(ctx, id, opt)
		case 3:
			return c.Machines().Stop(ctx, id, stop, opt)
		case 4:
			return c.Machines().Reboot(ctx, id, opt)
		case 5:
			return c.Machines().Delete(ctx, id)
		}
		return c.Machines().Delete(ctx, id, client.Force())
	})
}

func (u *user) forward() {
	id := u.one(&u.machines)
	if id == "" {
		return
	}
	in := api.PortForwardCreate{Machine: id, PublicPort: u.ports + u.r.Int64N(40), Port: 22}
	made, err := insist(u, "forward create", func(ctx context.Context, c *client.Client, opt client.Option) (*client.Result[api.PortForward], error) {
		return c.PortForwards().Create(ctx, in, opt)
	})
	if err == nil && made.Operation != nil && u.r.IntN(2) == 0 {
		insist(u, "forward delete", func(ctx context.Context, c *client.Client, opt client.Option) (any, error) { //nolint:errcheck // a refusal is as good
			return c.PortForwards().Delete(ctx, made.Operation.SubjectID)
		})
	}
}

func (u *user) space() {
	if id := u.one(&u.spaces); id != "" && u.r.IntN(2) == 0 {
		_, err := insist(u, "cloudspace delete", func(ctx context.Context, c *client.Client, opt client.Option) (any, error) {
			return c.Cloudspaces().Delete(ctx, id)
		})
		if err == nil {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.spaces = slices.DeleteFunc(u.spaces, func(s string) bool { return s == id })
		}
		return
	}
	in := api.CloudspaceCreate{Account: "default", Name: fmt.Sprintf("s-%d", u.tag())}
	made, err := insist(u, "cloudspace create", func(ctx context.Context, c *client.Client, opt client.Option) (*client.Result[api.Cloudspace], error) {
		return c.Cloudspaces().Create(ctx, in, opt)
	})
	if err == nil && made.Object != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.spaces = append(u.spaces, made.Object.ID)
	}
}
