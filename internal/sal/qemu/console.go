package qemu

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"atoll/internal/cloud"
)

// consoleBacklog is how many bytes a new reader of the console gets at once.
const consoleBacklog = 64 << 10

// consoleWrite is how long a guest may leave its input unread.
const consoleWrite = 5 * time.Second

// console shares a machine's serial console between readers. QEMU serves one
// connection, which the driver holds; each reader has its own place in the last
// 64 KiB, so that a slow one misses output and never holds the guest back.
//
// The backlog is also in a file, which the driver keeps below twice that size:
// it outlives the agent. What a guest prints while no agent runs is lost; QEMU's
// own log file would keep it, and would let a guest fill the node's disk.
type console struct {
	path string

	mu   sync.Mutex
	cond *sync.Cond
	tail []byte // the last consoleBacklog bytes
	end  int64  // bytes printed since the console was made
	conn net.Conn
	file *os.File
	size int64 // of file
	wg   sync.WaitGroup
}

func newConsole(dir string) *console {
	c := &console{path: filepath.Join(dir, consoleLog)}
	c.cond = sync.NewCond(&c.mu)
	if old, err := os.ReadFile(c.path); err == nil {
		c.keep(old)
	}
	return c
}

// attach shares conn until it ends. While an earlier one lives it is of no use.
func (c *console) attach(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		conn.Close()
		return
	}
	c.conn = conn
	// Without the file the console works all the same, with no backlog later on.
	c.file, _ = os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	c.size = 2 * consoleBacklog // begin with a fresh file
	c.wg.Go(func() { c.read(conn) })
}

func (c *console) read(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		c.mu.Lock()
		c.keep(buf[:n])
		c.save(buf[:n])
		if err != nil {
			c.conn = nil
			if c.file != nil {
				c.file.Close()
			}
			c.file = nil
		}
		c.cond.Broadcast()
		c.mu.Unlock()
		if err != nil {
			conn.Close()
			return
		}
	}
}

// keep adds to the backlog.
func (c *console) keep(p []byte) {
	c.end += int64(len(p))
	c.tail = append(c.tail, p...)
	if over := len(c.tail) - consoleBacklog; over > 0 {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
}

// save adds to the file, or writes it anew when it has grown too long.
func (c *console) save(p []byte) {
	if c.file == nil || len(p) == 0 {
		return
	}
	if c.size+int64(len(p)) > 2*consoleBacklog {
		if c.file.Truncate(0) != nil {
			return
		}
		p, c.size = c.tail, 0
	}
	n, _ := c.file.Write(p)
	c.size += int64(n)
}

// detach ends the connection, if there is one, and with it all readers.
func (c *console) detach() {
	c.mu.Lock()
	if c.conn != nil {
		c.conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// open returns a reader that begins with the backlog. It ends when the machine
// goes off; of a machine that is off it gives the backlog.
func (c *console) open() io.ReadWriteCloser {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &consoleReader{c: c, at: c.end - int64(len(c.tail))}
}

type consoleReader struct {
	c      *console
	at     int64 // how much of the console's bytes it has read or missed
	closed bool
}

func (r *consoleReader) Read(p []byte) (int, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for !r.closed && r.at == r.c.end && r.c.conn != nil {
		r.c.cond.Wait()
	}
	if r.closed || r.at == r.c.end {
		return 0, io.EOF
	}
	r.at = max(r.at, r.c.end-int64(len(r.c.tail)))
	n := copy(p, r.c.tail[len(r.c.tail)-int(r.c.end-r.at):])
	r.at += int64(n)
	return n, nil
}

func (r *consoleReader) Write(p []byte) (int, error) {
	r.c.mu.Lock()
	conn, closed := r.c.conn, r.closed
	r.c.mu.Unlock()
	if closed {
		return 0, io.ErrClosedPipe
	}
	if conn == nil {
		return 0, cloud.StateErrorf(string(cloud.PowerOff), "the machine is off; start it to use its console")
	}
	_ = conn.SetWriteDeadline(time.Now().Add(consoleWrite))
	n, err := conn.Write(p)
	if err != nil {
		return n, cloud.Wrap(cloud.Unavailable, err, "the machine does not read its console")
	}
	return n, nil
}

func (r *consoleReader) Close() error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.closed = true
	r.c.cond.Broadcast()
	return nil
}
