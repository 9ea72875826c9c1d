package lab

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
)

// wires are a node's connections to the controllers.
type wires struct {
	mu   sync.Mutex
	cut  map[string]bool // addresses that are not reached
	open []net.Conn
}

func (w *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	cut := w.cut[address]
	w.mu.Unlock()
	if cut {
		return nil, errors.New("no route to the controller (cut by the test)")
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open = append(w.open, c)
	}
	return c, err
}

// Cut takes the network between the node and the controller away, without a last
// word of either, until Mend.
func (n *Node) Cut(c *Controller) {
	w, address := &n.wires, strings.TrimPrefix(c.Agents, "https://")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut == nil {
		w.cut = map[string]bool{}
	}
	w.cut[address] = true
	for _, open := range w.open {
		if open.RemoteAddr().String() == address {
			open.Close() //nolint:errcheck // cut
		}
	}
}

// Mend undoes Cut.
func (n *Node) Mend(c *Controller) {
	n.wires.mu.Lock()
	defer n.wires.mu.Unlock()
	delete(n.wires.cut, strings.TrimPrefix(c.Agents, "https://"))
}
