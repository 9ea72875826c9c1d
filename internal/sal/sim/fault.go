package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"atoll/internal/cloud"
)

// Faults says how often calls that change a node, or run a command on it, go
// wrong, and how. Half of the faults come before the work is done, half after it:
// what failed may have happened.
type Faults struct {
	Rate float64 // part of the calls that meet a fault, 0 to 1
	// The shares of the kinds of faults; all 0 for DefaultShares.
	Refuse    int // the call fails
	Hang      int // the call does not return before its ctx ends
	Crash     int // the agent dies and comes back; machines keep running
	HostCrash int // the host goes down and boots; machines are off after it
	Loss      int // the network between node and controller is gone for a while
	// Away is how long a crash or loss lasts; the zero value takes 5 to 60 s.
	Away Latency
}

// DefaultShares are the shares of Faults that name none, in their order.
var DefaultShares = [...]int{60, 15, 10, 5, 10}

// Outage is a crash or a loss.
type Outage struct {
	Host bool          // the host went down, and its machines with it
	Away time.Duration // until the node is back
}

// Harness is what runs the agents of simulated nodes and lets them feel their
// faults. Its methods are called from within the call that met the fault, so they
// must return without waiting for the agent.
type Harness interface {
	// Crashed says that the agent of the node is dead, at once and without a last
	// word: the harness ends the instance (nothing that it says may be heard any
	// more) and starts another after o.Away. The call that crashed it and those in
	// progress return when their ctx ends.
	Crashed(n *Node, o Outage)
	// Lost says that the node's network is gone: the harness makes every
	// connection of its agent fail until o.Away has passed (see Node.Lost).
	Lost(n *Node, o Outage)
}

type fault uint8

const (
	faultNone fault = iota
	faultRefuse
	faultHang
	faultCrash
	faultHostCrash
	faultLoss
)

func (f *Faults) shares() [5]int {
	s := [5]int{f.Refuse, f.Hang, f.Crash, f.HostCrash, f.Loss}
	if s == [5]int{} {
		return DefaultShares
	}
	return s
}

func (f *Faults) validate() error {
	switch {
	case f.Rate < 0 || f.Rate > 1 || f.Rate != f.Rate:
		return cloud.FieldErrorf("fault_rate", "must be 0 to 1, not %v", f.Rate)
	case slices.Min([]int{f.Refuse, f.Hang, f.Crash, f.HostCrash, f.Loss}) < 0:
		return cloud.FieldErrorf("faults", "must not have negative shares")
	case f.Away.Base < 0 || f.Away.Jitter < 0:
		return cloud.FieldErrorf("faults.away", "must not be negative")
	}
	return nil
}

func (f *Faults) draw(r *rand.Rand) (kind fault, late bool) {
	if f.Rate == 0 || r.Float64() >= f.Rate {
		return faultNone, false
	}
	shares, sum := f.shares(), 0
	for _, s := range shares {
		sum += s
	}
	pick := r.IntN(sum)
	for i, s := range shares {
		if pick < s {
			return faultRefuse + fault(i), r.IntN(2) == 1
		}
		pick -= s
	}
	return faultNone, false // not reached: pick is below the sum
}

// meet lets the fault happen. It returns nil when the call can go on.
func (c *call) meet(ctx context.Context) error {
	n := c.n
	switch c.fault {
	case faultRefuse:
		return cloud.Errorf(cloud.Unavailable, "%s: simulated node %s refused it (seeded fault); try again", c.kind, n.name)
	case faultHang:
		<-ctx.Done()
		return ended(ctx, c.kind)
	case faultCrash, faultHostCrash:
		o := Outage{Host: c.fault == faultHostCrash, Away: n.drawAway()}
		n.Crash(o)
		return n.died(ctx, c.kind, o.Away)
	case faultLoss:
		n.Lose(n.drawAway())
	}
	return nil
}

func (n *Node) drawAway() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	away := n.faults.Away
	if away == (Latency{}) {
		away = Latency{Base: 5 * time.Second, Jitter: 55 * time.Second}
	}
	return away.draw(rand.New(&n.random), 0)
}

// SetFaults changes the faults of this node from now on. Its error is
// cloud.Invalid and names the setting.
func (n *Node) SetFaults(f Faults) error {
	if err := f.validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = f
	return nil
}

// Crash makes the agent die now. With o.Host the host goes down with it: its
// machines are off, their taps are gone, and it has another boot id when it is
// back. Until then every call is cloud.Unavailable.
func (n *Node) Crash(o Outage) {
	n.mu.Lock()
	n.life++
	n.downTo = time.Now().Add(o.Away)
	if o.Host {
		n.boot++
		n.remnants, n.commands = nil, nil
		for _, w := range n.networks {
			w.taps = nil // the networks themselves are made again at boot
		}
		for _, m := range n.machines {
			if m.power == cloud.PowerOn {
				m.switchOff(cloud.PowerOff, "went down with its host")
				n.signal()
			}
		}
	} else {
		for name := range n.commands {
			n.remnants = append(n.remnants, name)
		}
		n.commands = nil
		slices.Sort(n.remnants)
	}
	n.mu.Unlock()
	if h := n.fleet.config.Harness; h != nil {
		h.Crashed(n, o)
	}
}

// Lose takes the network between node and controller away for d. The node itself
// goes on working.
func (n *Node) Lose(d time.Duration) {
	n.mu.Lock()
	n.lostTo = time.Now().Add(d)
	n.mu.Unlock()
	if h := n.fleet.config.Harness; h != nil {
		h.Lost(n, Outage{Away: d})
	}
}

// Down returns how long the agent stays dead; 0 when it is not.
func (n *Node) Down() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(0, time.Until(n.downTo))
}

// Lost returns how long the network stays away; 0 when it is there.
func (n *Node) Lost() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(0, time.Until(n.lostTo))
}

// dead is the error of a call to a node that is down.
func (n *Node) dead(kind Call, left time.Duration) error {
	err := cloud.Errorf(cloud.Unavailable, "%s: simulated node %s is down (simulated crash); try again when it is back", kind, n.name)
	err.RetryAfter = max(0, left)
	return err
}

// died ends a call that lost its agent. With a harness nobody is there to get the
// answer: the call goes on until the harness has ended the agent's ctx.
func (n *Node) died(ctx context.Context, kind Call, left time.Duration) error {
	if n.fleet.config.Harness != nil {
		<-ctx.Done()
	}
	return n.dead(kind, left)
}
