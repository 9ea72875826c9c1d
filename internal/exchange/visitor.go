package exchange

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// maxVisitors is how many connections one address may have that no certificate
// of an agent or a controller came with yet. It is far above what agents behind
// one address need, which are 2 ms each, and bounds what a stranger costs.
const maxVisitors = 2000

// visitors are the connections of peers that have not shown who they are.
type visitors struct {
	mu   sync.Mutex
	from map[net.Conn]string
	n    map[string]int // by address
}

func newVisitors() *visitors { return &visitors{from: map[net.Conn]string{}, n: map[string]int{}} }

// see is a server's ConnState: it turns away who comes too often.
func (v *visitors) see(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !v.enter(c) {
			c.Close() // its server notices
		}
	case http.StateHijacked, http.StateClosed:
		v.leave(c)
	}
}

func (v *visitors) enter(c net.Conn) bool {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String()) // an address of net/http always has a port
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n[host] >= maxVisitors {
		return false
	}
	v.n[host]++
	v.from[c] = host
	return true
}

// leave counts the connection no more.
func (v *visitors) leave(c net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	host, ok := v.from[c]
	if !ok {
		return
	}
	delete(v.from, c)
	if v.n[host]--; v.n[host] == 0 {
		delete(v.n, host)
	}
}

type connKey struct{}

// remember is a server's ConnContext: requests know their connection.
func remember(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// identified notes that the request's peer has shown who it is.
func (v *visitors) identified(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		v.leave(c)
	}
}
