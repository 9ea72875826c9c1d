// Package control is the rules: for each kind one file that authorises,
// validates, changes rows in one transaction and starts operations. It opens
// every transaction.
//
// It must never speak HTTP or SQL, and never touch a node: it records what
// should be, and jobs and operations make it so.
package control

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/job"
	"atoll/internal/op"
	"atoll/internal/pki"
	"atoll/internal/reconcile"
	"atoll/internal/store"
)

// Config is what a controller needs to know.
type Config struct {
	ID        cloud.ControllerID
	DB        *store.DB
	Blobs     *blob.Store
	Keys      *pki.Keyring
	Passwords *pki.Passwords
	Log       *slog.Logger
	PublicURL string // where people reach the controller; for links
	Advertise string // host:port where other controllers, and agents, reach it: its agents' listener
	// ImageURLAllow are networks that users may have visited although they are not
	// public: for images by URL, and webhooks.
	ImageURLAllow []netip.Prefix
	// MaxImage is the largest file of an image in bytes; 0 is MaxImage.
	MaxImage int64
	// SharedBlobs says that all controllers see the blobs although they are in a
	// folder: on a file system that the hosts share.
	SharedBlobs bool
	Retention   Retention
	// Lease is how long what this controller works on stays its own without a sign
	// of life, and NodeOffline how long a node may be silent before it counts as
	// offline; 0 takes the defaults.
	Lease, NodeOffline time.Duration
	// MaxTokenAge is the longest life of a token; 0 lets tokens live for ever.
	MaxTokenAge time.Duration
	// SignIn are the identity providers that people may sign in with.
	SignIn []cloud.SignInProvider
	Pace   Pace
}

// Pace is how soon a controller notices what nobody tells it. A field that is 0
// takes the default, which tests need not wait for.
type Pace struct {
	// Settle is how long after a change of ours a machine's observed power is not
	// acted on, as the inventory may have been taken before it: 2 s.
	Settle time.Duration
	// Nodes is how often silent nodes are looked for: a ninth of NodeOffline.
	Nodes time.Duration
	// Rights is how often a reader's rights are looked at although nothing told that
	// any were taken: 5 s. A credential may end by itself.
	Rights time.Duration
	// Webhook is how long after its first failed attempt an event is sent again: 5 s.
	Webhook time.Duration
}

func (p *Pace) complete() {
	p.Settle = cmp.Or(p.Settle, 2*time.Second)
	p.Rights = cmp.Or(p.Rights, 5*time.Second)
	p.Webhook = cmp.Or(p.Webhook, cloud.FirstRetry)
}

// Control is the rules over one store. It is safe for concurrent use.
type Control struct {
	Config
	jobs    *job.Queue
	ops     *op.Engine
	feed    *feed
	notices *notices
	streams streams
	relay   Relay
	loops   *reconcile.Runner
	inst    *installation
	auth    *credentials
	images  imageBodies
	onces   onces
	renders chan struct{} // has room for the pages that are made at the same time
	answers answers       // of projects' default and key scripts
	cleared chan struct{} // leftovers may be looked at again
	posted  chan struct{} // something may be due for a webhook
	// resolver finds the addresses of images' sources; nil is the system's.
	resolver *net.Resolver
}

// New returns the rules over the store: it reads or makes the installation's
// keys and defines the operations. Call Run to start its loops.
func New(ctx context.Context, cfg Config) (*Control, error) {
	c := &Control{
		Config: cfg, feed: newFeed(), notices: newNotices(cfg.DB.Shared()), auth: newCredentials(),
		cleared: make(chan struct{}, 1), posted: make(chan struct{}, 1),
	}
	if c.ID == "" {
		c.ID = cloud.NewID[cloud.ControllerID]()
	}
	c.Retention.complete()
	if c.MaxImage == 0 {
		c.MaxImage = MaxImage
	}
	c.Lease = cmp.Or(c.Lease, op.DefaultLease)
	c.NodeOffline = cmp.Or(c.NodeOffline, cloud.NodeOfflineAfter)
	c.Pace.Nodes = cmp.Or(c.Pace.Nodes, c.NodeOffline/9)
	c.Pace.complete()
	c.images.fetches = newFetches()
	c.renders = make(chan struct{}, maxRenders)
	c.answers.byID = map[string]*answer{}
	c.answers.ctx, c.answers.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.loops = reconcile.New(c.takeLease, cfg.Log)
	inst, err := loadInstallation(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("installation's keys: %w", err)
	}
	c.inst = inst
	c.jobs = job.NewQueue(cfg.DB, c.ID, cfg.Log, job.Hooks{
		Finished: c.jobsFinished, Script: c.wireScript, Args: c.wireArgs, StoreLog: c.storeLog, LogStored: c.feed.log,
		Changed: c.notices.jobs, Trust: []string{inst.sign.VerifyKey().String()},
	})
	c.jobs.SetOffline(c.NodeOffline)
	c.ops = op.NewEngine(cfg.DB, c.jobs, c.ID, cfg.Log)
	c.ops.Lease = c.Lease
	c.ops.Event, c.ops.Changed = c.operationEvent, c.notices.operation
	c.defineOperations()
	return c, nil
}

// Queue is the dispatcher, for the agents' endpoint.
func (c *Control) Queue() *job.Queue { return c.jobs }

// Engine is the operation engine, for tests of faults.
func (c *Control) Engine() *op.Engine { return c.ops }

// Request is who asks, and how.
type Request struct {
	User        *cloud.User
	Memberships []cloud.Membership
	Credential  string          // id of the token or session, for the audit log
	CSRF        string          // what a session's changes must bring along; "" for tokens
	Provider    string          // the sign-in provider that the session came by
	SignedInAt  cloud.Time      // when the session began; 0 for tokens
	Enrol       bool            // the session may do nothing but enrol a second factor
	ReadOnly    bool            // the token's scope is read
	Account     cloud.AccountID // the one account that the token is limited to
	ID          string          // X-Request-Id
	Address     string          // where the request came from
	// DryRun asks for the plan: everything is checked and nothing kept, and the
	// method's error is a *Planned.
	DryRun bool
	// IfMatch is the version that a change was made from; 0 for any.
	IfMatch int64
	once    once
}

// System is the request of the controller itself: first start, loops, CLI on
// the server.
func System(why string) *Request {
	return &Request{User: &cloud.User{Name: why, Role: cloud.InstallationAdmin}, ID: why}
}

// Planned is the "error" of a dry run that would have succeeded.
type Planned struct{ Plan cloud.Plan }

func (p *Planned) Error() string { return "dry run: " + p.Plan.Action }

// change is one mutation on its way: transaction, request, plan.
type change struct {
	*store.Tx
	c    *Control
	r    *Request
	plan *cloud.Plan
	made string // the last of what it changed, for people
}

// change runs one mutation in one transaction. A dry run does everything and
// takes it back. A refusal is recorded as an event.
func (c *Control) change(ctx context.Context, r *Request, action string, fn func(ch *change) error) error {
	err := c.DB.Update(ctx, func(tx *store.Tx) error {
		ch := &change{Tx: tx, c: c, r: r, plan: &cloud.Plan{Action: action}}
		if r.ReadOnly {
			return cloud.Errorf(cloud.Denied, "this token may only read; make one with the scope full")
		}
		if err := fn(ch); err != nil {
			return err
		}
		if r.DryRun {
			return &Planned{*ch.plan}
		}
		return ch.markOnce()
	})
	if cloud.Is(err, cloud.Denied) && !r.DryRun {
		c.refused(ctx, r, action, err)
	}
	return err
}

// view runs reads in one transaction.
func (c *Control) view(ctx context.Context, fn func(tx *store.Tx) error) error {
	return c.DB.View(ctx, fn)
}

// start records an operation on the object, in the object's own transaction.
func (ch *change) start(o *cloud.Operation) (*cloud.Operation, error) {
	o.CreatedBy, o.RequestID = string(ch.r.User.ID), ch.r.ID
	if d := ch.c.ops.Definitions()[o.Kind]; d != nil {
		for _, s := range d.Steps {
			ch.plan.Steps = append(ch.plan.Steps, s.Name)
		}
	}
	return o, ch.c.ops.Start(ch.Tx, o)
}

// match checks the version that the caller's change was made from.
func (ch *change) match(kind cloud.Kind, name string, version int64) error {
	if ch.r.IfMatch != 0 && ch.r.IfMatch != version {
		err := cloud.Errorf(cloud.Conflict, "%s %s has version %d now, not %d; read it again", kind, name, version, ch.r.IfMatch)
		err.Version = version
		return err
	}
	return nil
}

// opLimit is how long an operation may take when its kind has no reason for more.
const opLimit = 30 * time.Minute

// Query is a list's page, order and conditions, as callers give them.
type Query = store.Query
