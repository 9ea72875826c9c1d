package qemu

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"atoll/internal/wire"
)

// Usage returns what each machine moved in its current or last run.
func (d *Driver) Usage(ctx context.Context) ([]wire.Usage, error) {
	d.mu.Lock()
	machines := make([]*machine, 0, len(d.machines))
	for _, m := range d.machines {
		machines = append(machines, m)
	}
	d.mu.Unlock()
	list := make([]wire.Usage, 0, len(machines))
	for _, m := range machines {
		if u := m.count(ctx); u.Since != 0 {
			list = append(list, u)
		}
	}
	return list, ctx.Err()
}

// count reads the counters of the run: QEMU's of the disks, the kernel's of the
// taps, where what the host receives is what the guest sent. What cannot be read
// is what it was the last time.
func (m *machine) count(ctx context.Context) wire.Usage {
	m.mu.Lock()
	rec, q, u := m.rec, m.qmp, m.usage
	m.mu.Unlock()
	switch {
	case rec == nil || rec.Since == 0:
		return wire.Usage{}
	case rec.Ended != nil:
		return rec.Ended.Usage
	}
	u.Machine, u.Since = m.id, rec.Since
	if q != nil {
		if read, written, err := q.moved(ctx); err == nil {
			u.Read, u.Written = max(u.Read, read), max(u.Written, written)
		}
	}
	var received, sent int64
	for _, tap := range rec.Taps {
		sent += statistic(tap, "rx_bytes")
		received += statistic(tap, "tx_bytes")
	}
	u.Received, u.Sent = max(u.Received, received), max(u.Sent, sent)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rec != nil && m.rec.Since == u.Since {
		m.usage = u
	}
	return u
}

// statistic reads a counter of a network device; 0 if there is no such device.
func statistic(device, name string) int64 {
	b, err := os.ReadFile(filepath.Join("/sys/class/net", device, "statistics", name))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // the kernel writes numbers
	return n
}

// moved returns how many bytes the guest read from its volumes and wrote to them.
func (q *qmp) moved(ctx context.Context) (read, written int64, err error) {
	var out []struct {
		Node  string `json:"node-name"`
		Stats struct {
			Read    int64 `json:"rd_bytes"`
			Written int64 `json:"wr_bytes"`
		} `json:"stats"`
	}
	if err := q.run(ctx, "query-blockstats", &out); err != nil {
		return 0, 0, err
	}
	for _, d := range out {
		if strings.HasPrefix(d.Node, "disk") { // not the seed
			read += d.Stats.Read
			written += d.Stats.Written
		}
	}
	return read, written, nil
}
