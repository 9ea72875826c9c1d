package faults

import (
	"net"
	"sync"
	"time"
)

// relay is a stretch of network between two processes that can be cut, at once
// or after so many bytes, which is mostly in the middle of a body.
type relay struct {
	name  string
	story *story
	ln    net.Listener
	to    string
	wait  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	left  int64 // bytes until the next cut; negative for none
	down  bool  // new connections are refused
	loss  *loss // packets on the near side vanish
	over  bool
}

func newRelay(s *story, name, listen, to string) (*relay, error) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	r := &relay{name: name, story: s, ln: ln, to: to, conns: map[net.Conn]bool{}, left: -1}
	r.wait.Go(r.serve)
	return r, nil
}

func (r *relay) serve() {
	for {
		near, err := r.ln.Accept()
		if err != nil {
			return // closed
		}
		r.wait.Go(func() { r.join(near) })
	}
}

// join connects the two sides until one of them ends.
func (r *relay) join(near net.Conn) {
	defer near.Close()
	far, err := net.DialTimeout("tcp", r.to, 5*time.Second)
	if err != nil {
		return
	}
	defer far.Close()
	if !r.add(near, far) {
		return
	}
	defer r.drop(near, far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			r.copy(way[1], way[0])
			near.Close()
			far.Close()
		})
	}
	both.Wait()
}

func (r *relay) add(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down || r.over {
		return false
	}
	for _, c := range conns {
		r.conns[c] = true
	}
	return true
}

func (r *relay) drop(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		delete(r.conns, c)
	}
}

func (r *relay) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		pass, cut := r.pass(n)
		if pass > 0 {
			if _, err := to.Write(buf[:pass]); err != nil {
				return
			}
		}
		if cut {
			r.story.note("cut %s after its bytes", r.name)
			r.hangUp()
		}
		if err != nil || cut {
			return
		}
	}
}

// pass returns how many of n bytes get through, and whether that was the last.
func (r *relay) pass(n int) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left < 0 {
		return n, false
	}
	if int64(n) < r.left {
		r.left -= int64(n)
		return n, false
	}
	n, r.left = int(r.left), -1
	return n, true
}

// cutAfter cuts all connections when so many more bytes have passed.
func (r *relay) cutAfter(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = bytes
}

// hangUp cuts all connections, without a word to either side but a reset.
func (r *relay) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0) //nolint:errcheck // then it ends politely
		}
		c.Close()
	}
}

// lose takes the stretch away until restore.
func (r *relay) lose() {
	r.story.note("lose %s", r.name)
	r.mu.Lock()
	r.down = true
	r.mu.Unlock()
	r.hangUp()
}

// swallow has all packets of the stretch vanish, both ways, until restore: what
// is connected stays so, and hears nothing.
func (r *relay) swallow() {
	r.story.note("swallow the packets of %s", r.name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loss != nil {
		return
	}
	host, port, err := net.SplitHostPort(r.ln.Addr().String())
	if err == nil {
		r.loss, err = startLoss(host, port)
	}
	if err != nil {
		r.story.bad("swallow: %v", err)
	}
}

func (r *relay) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down || r.loss != nil {
		r.story.note("restore %s", r.name)
	}
	if r.loss != nil {
		r.loss.stop()
		r.loss = nil
	}
	r.down, r.left = false, -1
}

func (r *relay) close() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.restore()
	r.ln.Close()
	r.hangUp()
	r.wait.Wait()
}
