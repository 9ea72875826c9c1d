package agent

import (
	"time"

	"atoll/internal/wire"
)

// What one exchange carries at most; what is left goes with the next one.
const (
	maxLogBytes    = 2 << 20
	maxResultBytes = 4 << 20
	maxResults     = 4096
)

// sent is what an exchange under way carries and what becomes of it depends on
// how the exchange ends.
type sent struct {
	results   []*kept
	logs      []wire.LogChunk
	facts     bool
	inventory bool
	usage     bool
	factsNo   int // which facts, inventory and usage
	listNo    int
	usageNo   int
}

// compose makes the next exchange.
func (a *Agent) compose() (*wire.Exchange, *sent) {
	chunks, err := a.spool.take(maxLogBytes)
	if err != nil {
		a.log.Error("read the spool", "err", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t, h := &a.talk, &a.host
	t.number++
	x := &wire.Exchange{
		Version: wire.Version, Agent: a.cfg.Version, Session: a.session, Number: t.number, Answer: t.answer,
		Logs: chunks, Free: a.free(), Room: a.room(), Simulated: a.cfg.Node.Simulated,
	}
	s := &sent{logs: chunks}
	if h.facts != nil {
		x.BootID = h.facts.BootID
		if !h.factsSent {
			x.Facts, s.facts, s.factsNo = h.facts, true, h.factsNo
		}
	}
	if h.inventory != nil && !h.listSent {
		x.Inventory, s.inventory, s.listNo = h.inventory, true, h.listNo
	}
	if len(h.usage) > 0 && !h.usageSent {
		x.Usage, s.usage, s.usageNo = h.usage, true, h.usageNo
	}
	s.results = a.takeResults(chunks)
	x.Results = make([]wire.Result, len(s.results))
	for i, k := range s.results {
		x.Results[i] = k.Result
	}
	x.Running = a.running(s.results)
	// What did not fit goes with a newer exchange, at once.
	t.due = time.Time{}
	t.dirty = len(s.results) > 0 && len(a.jobs.pending) > 0 || len(chunks) > 0 && a.spool.waiting()
	return x, s
}

// takeResults takes the results that may go with an exchange that carries the
// chunks: a result goes when the controller has all of its output. The caller
// holds mu.
func (a *Agent) takeResults(chunks []wire.LogChunk) []*kept {
	carried := map[wire.JobRef]int{}
	for i := range chunks {
		carried[chunks[i].JobRef]++
	}
	var take, stay []*kept
	size := 0
	for _, k := range a.jobs.pending {
		if len(take) == maxResults || size > maxResultBytes || k.chunks && a.spool.of(k.JobRef) > carried[k.JobRef] {
			stay = append(stay, k)
			continue
		}
		k.state = underWay
		size += len(k.Result.Result) + len(k.Output) + len(k.Error)
		take = append(take, k)
	}
	a.jobs.pending = stay
	return take
}

// running lists all jobs that the agent holds and the controller may not know
// the end of, except those whose results go with the exchange. The caller holds mu.
func (a *Agent) running(reported []*kept) []wire.JobRef {
	refs := make([]wire.JobRef, 0, len(a.jobs.held))
	for ref := range a.jobs.held {
		refs = append(refs, ref)
	}
	if len(a.jobs.results) == len(reported) {
		return refs
	}
	now := make(map[wire.JobRef]bool, len(reported))
	for _, k := range reported {
		now[k.JobRef] = true
	}
	for ref, k := range a.jobs.results {
		if k.state != delivered && !now[ref] {
			refs = append(refs, ref)
		}
	}
	return refs
}

// settle notes whether the controller has taken the exchange.
func (a *Agent) settle(s *sent, taken bool) {
	if taken {
		a.spool.sent(s.logs)
	} else {
		a.spool.unsent(s.logs)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	h := &a.host
	if taken {
		h.factsSent = h.factsSent || s.facts && s.factsNo == h.factsNo
		h.listSent = h.listSent || s.inventory && s.listNo == h.listNo
		h.usageSent = h.usageSent || s.usage && s.usageNo == h.usageNo
	}
	var again []*kept
	for _, k := range s.results {
		switch {
		case k.state != underWay || a.jobs.results[k.JobRef] != k: // forgotten meanwhile
		case taken:
			k.state = delivered
		default:
			k.state = toSend
			again = append(again, k)
		}
	}
	if len(again) > 0 {
		a.jobs.pending = append(again, a.jobs.pending...)
	}
	// Results that waited for their output to be taken can go now; what was not
	// taken goes with the exchange that is held meanwhile, or rather replaces it.
	if len(again) > 0 || len(s.logs) > 0 && (!taken || len(a.jobs.pending) > 0) {
		a.say(0)
	}
}
