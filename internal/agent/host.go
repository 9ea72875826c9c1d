package agent

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// hostState is what the agent knows of its node. Agent.mu guards it.
type hostState struct {
	facts     *cloud.NodeFacts
	factsNo   int // grows with each change
	factsSent bool
	factsAt   time.Time
	inventory *wire.Inventory
	listNo    int
	listSent  bool
	listAt    time.Time
	watching  bool
	usage     []wire.Usage
	usageNo   int
	usageSent bool
	usageAt   time.Time

	accelerator string
	noCompute   error // why the node cannot run machines

	reading sync.Mutex // held while the drivers are asked, so that answers come in order
}

const (
	factsEvery     = 5 * time.Minute
	inventoryEvery = time.Minute
	usageEvery     = 5 * time.Minute
	probeTimeout   = time.Minute
	readTimeout    = 10 * time.Second
	// readWait is how long an exchange waits for what is read anew.
	readWait = 100 * time.Millisecond
)

// resend has facts and inventory go with the next exchange.
func (h *hostState) resend() { h.factsSent, h.listSent = false, false }

// probe finds out whether the node can run machines.
func (a *Agent) probe(ctx context.Context) {
	a.host.reading.Lock()
	defer a.host.reading.Unlock()
	a.mu.Lock()
	known := a.host.accelerator != ""
	a.mu.Unlock()
	if a.cfg.Node.Machines == nil || known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	accelerator, err := a.cfg.Node.Machines.Probe(ctx)
	if err != nil {
		err = cloud.Errorf(cloud.Unavailable, "this node cannot run machines: %s", errorText(err))
		a.log.Error("no accelerator works", "err", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.host.accelerator, a.host.noCompute = accelerator, err
}

// computeErr tells why the node offers no compute role; nil if it does.
func (a *Agent) computeErr() error {
	if a.cfg.Node.Machines == nil {
		return cloud.Errorf(cloud.Invalid, "this node offers no compute role; choose a node that does")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.host.noCompute
}

// offers returns the roles that the node asks for when it joins.
func (a *Agent) offers() []cloud.Role {
	roles := []cloud.Role{}
	for _, r := range a.cfg.Roles {
		switch {
		case r == cloud.RoleCompute && a.computeErr() != nil:
		case r == cloud.RoleNetwork && a.cfg.Node.Networks == nil:
		case r == cloud.RoleStorage && a.cfg.Node.Volumes == nil:
		default:
			roles = append(roles, r)
		}
	}
	return roles
}

// facts reads the host's facts, with the accelerator.
func (a *Agent) facts(ctx context.Context) (*cloud.NodeFacts, error) {
	a.probe(ctx)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	f, err := a.cfg.Node.Host.Facts(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.Accelerator == "" {
		f.Accelerator = a.host.accelerator
	}
	if a.host.noCompute != nil {
		f.Missing = append(slices.Clone(f.Missing), "a working accelerator: "+errorText(a.host.noCompute))
	}
	return &f, nil
}

// refresh reads facts and inventory anew when it is time, and waits for them for
// a moment, the first time until they are there.
func (a *Agent) refresh(first bool) {
	now := time.Now()
	a.mu.Lock()
	facts, list := now.Sub(a.host.factsAt) >= factsEvery, now.Sub(a.host.listAt) >= inventoryEvery
	if facts {
		a.host.factsAt = now
	}
	if list {
		a.host.listAt = now
	}
	usage := now.Sub(a.host.usageAt) >= usageEvery
	if usage {
		a.host.usageAt = now
	}
	start := (facts || list || usage) && !a.closed
	done := make(chan struct{})
	if start {
		a.wg.Go(func() {
			defer close(done)
			if list {
				a.readInventory(a.work)
			}
			if usage {
				a.readUsage(a.work)
			}
			if facts {
				a.readFacts(a.work)
			}
		})
	}
	a.mu.Unlock()
	if !start {
		return
	}
	wait := readWait
	if first {
		wait = 2 * readTimeout
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	case <-a.work.Done():
	}
}

func (a *Agent) readFacts(ctx context.Context) {
	f, err := a.facts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("read the facts of this host", "err", err)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := &a.host
	if h.facts != nil && reflect.DeepEqual(*h.facts, *f) {
		return
	}
	h.facts, h.factsSent = f, false
	h.factsNo++
	a.say(0)
}

// readInventory lists the node's machines; a list that differs from the last one
// is sent.
func (a *Agent) readInventory(ctx context.Context) {
	m := a.cfg.Node.Machines
	if m == nil {
		return
	}
	h := &a.host
	h.reading.Lock()
	defer h.reading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := m.List(ctx)
	if err != nil {
		if a.work.Err() == nil {
			a.log.Error("list the machines of this node", "err", err)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(list) > 0 && !h.watching && !a.closed {
		h.watching = true
		a.wg.Go(a.watch)
	}
	if h.inventory != nil && slices.Equal(h.inventory.Machines, list) {
		return
	}
	h.inventory, h.listSent = &wire.Inventory{At: cloud.Now(), Machines: list}, false
	h.listNo++
	a.say(0)
}

// readUsage reads what the node's machines moved; it goes with the next exchange
// if anything did.
func (a *Agent) readUsage(ctx context.Context) {
	m := a.cfg.Node.Machines
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := m.Usage(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("read what the machines of this node moved", "err", err)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := &a.host; !slices.Equal(h.usage, list) {
		h.usage, h.usageSent = list, false
		h.usageNo++
	}
}

// watch reads the inventory when a machine changed, as long as there are machines.
func (a *Agent) watch() {
	for {
		select {
		case <-a.cfg.Node.Machines.Changed():
			a.readInventory(a.work)
		case <-a.work.Done():
			return
		}
		a.mu.Lock()
		if h := &a.host; len(h.inventory.Machines) == 0 {
			h.watching = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
	}
}
