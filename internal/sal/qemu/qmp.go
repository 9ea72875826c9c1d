package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// qmpTimeout bounds one command to QEMU; all that are used here answer at once.
const qmpTimeout = 5 * time.Second

// qmp is one connection to QEMU's control socket
// (https://www.qemu.org/docs/master/interop/qmp-spec.html). QEMU serves one at
// a time, so the driver holds it as long as the machine runs.
type qmp struct {
	conn net.Conn
	pid  int           // of the process that made the socket
	done chan struct{} // closed when the connection has ended

	mu      sync.Mutex
	next    int64
	waiting map[int64]chan qmpMessage
}

// qmpMessage is whatever QEMU says: greeting, answer or event.
type qmpMessage struct {
	QMP    json.RawMessage `json:"QMP"`
	ID     int64           `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

var errQMPClosed = errors.New("QEMU closed the control connection")

// dialQMP connects to the control socket in dir. event is called for each event
// and must not block or call back.
func dialQMP(ctx context.Context, dir string, event func(name string)) (*qmp, error) {
	conn, err := dialIn(ctx, dir, qmpSocket)
	if err != nil {
		return nil, err
	}
	q := &qmp{conn: conn, done: make(chan struct{}), waiting: map[int64]chan qmpMessage{}}
	if q.pid, err = peerPID(conn); err != nil {
		conn.Close()
		return nil, err
	}
	// QEMU accepts the next connection when the one before has ended; only its
	// greeting tells that it serves this one.
	dec := json.NewDecoder(conn)
	var hello qmpMessage
	_ = conn.SetReadDeadline(time.Now().Add(qmpTimeout))
	if err := dec.Decode(&hello); err != nil || hello.QMP == nil {
		conn.Close()
		return nil, fmt.Errorf("QMP greeting: %w", errors.Join(err, ctx.Err()))
	}
	_ = conn.SetReadDeadline(time.Time{})
	go q.read(dec, event)
	if err := q.run(ctx, "qmp_capabilities", nil); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

// read runs until the connection ends.
func (q *qmp) read(dec *json.Decoder, event func(string)) {
	defer close(q.done)
	defer q.conn.Close()
	for {
		var m qmpMessage
		if err := dec.Decode(&m); err != nil {
			return
		}
		if m.Event != "" {
			event(m.Event)
			continue
		}
		q.mu.Lock()
		reply := q.waiting[m.ID]
		delete(q.waiting, m.ID)
		q.mu.Unlock()
		if reply != nil {
			reply <- m
		}
	}
}

// run executes a command and decodes its answer into out, which may be nil.
func (q *qmp) run(ctx context.Context, command string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, qmpTimeout)
	defer cancel()
	reply := make(chan qmpMessage, 1)
	q.mu.Lock()
	q.next++
	id := q.next
	q.waiting[id] = reply
	_ = q.conn.SetWriteDeadline(time.Now().Add(qmpTimeout))
	_, err := fmt.Fprintf(q.conn, `{"execute":%q,"id":%d}`+"\n", command, id)
	q.mu.Unlock()
	if err != nil {
		return fmt.Errorf("QMP %s: %w", command, err)
	}
	select {
	case m := <-reply:
		if m.Error != nil {
			return fmt.Errorf("QMP %s: %s", command, m.Error.Desc)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(m.Return, out)
	case <-q.done:
		return fmt.Errorf("QMP %s: %w", command, errQMPClosed)
	case <-ctx.Done():
		return fmt.Errorf("QMP %s: %w", command, ctx.Err())
	}
}

// The values of status that this driver tells apart
// (https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, RunState).
const (
	statusRunning   = "running"
	statusPrelaunch = "prelaunch" // started with -S, or reset while it did not run
	statusShutdown  = "shutdown"  // the guest powered off; -no-shutdown keeps QEMU
	statusIOError   = "io-error"  // paused: a disk is full or broken
	statusPanicked  = "guest-panicked"
	statusInternal  = "internal-error" // KVM gave up
)

// status returns QEMU's run state.
func (q *qmp) status(ctx context.Context) (string, error) {
	var out struct {
		Status string `json:"status"`
	}
	err := q.run(ctx, "query-status", &out)
	return out.Status, err
}

// close ends the connection and waits for its reader.
func (q *qmp) close() {
	q.conn.Close()
	<-q.done
}

// dialIn connects to the unix socket dir/name. The path of a socket may have
// 108 bytes; going by the folder's descriptor makes any path short.
func dialIn(ctx context.Context, dir, name string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var nd net.Dialer
	return nd.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name))
}

// peerPID returns the process that listens on the other end.
func peerPID(conn net.Conn) (int, error) {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, io.ErrUnexpectedEOF
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return 0, err
	}
	return int(cred.Pid), nil
}
