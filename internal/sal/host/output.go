package host

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
)

// strangerGrace is how long we read on after the group is empty, if a process
// outside of it got hold of the pipe.
const strangerGrace = time.Second

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// output carries stdout and stderr through one pipe, so that their order stays.
type output struct {
	to    io.Writer
	read  *os.File
	write int // the command's end
	ended atomic.Bool
	done  chan struct{}
	err   error // of the writer
}

func newOutput(null *os.File, to io.Writer) (*output, error) {
	o := &output{to: to, write: int(null.Fd())}
	if to == nil {
		return o, nil
	}
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fds[0], true)
	}
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the node cannot open a pipe for the command's output")
	}
	o.read, o.write, o.done = os.NewFile(uintptr(fds[0]), "output"), fds[1], make(chan struct{})
	return o, nil
}

// started closes the command's end on our side and begins to read, or gives up.
func (o *output) started(ok bool) {
	if o.read == nil {
		return
	}
	unix.Close(o.write)
	if !ok {
		o.read.Close()
		return
	}
	go o.pump()
}

// pump copies until the pipe ends. A writer that fails gets nothing more, and
// the command goes on.
func (o *output) pump() {
	defer close(o.done)
	defer o.read.Close()
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		ended := o.ended.Load()
		if ended {
			_ = o.read.SetReadDeadline(time.Now().Add(strangerGrace))
		}
		n, err := o.read.Read(buf[:])
		if n > 0 && o.err == nil {
			_, o.err = o.to.Write(buf[:n])
		}
		if err != nil && (ended || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return
		}
	}
}

// finish returns when all output is written. The group is empty.
func (o *output) finish() error {
	if o.read == nil {
		return nil
	}
	o.ended.Store(true)
	_ = o.read.SetReadDeadline(time.Now().Add(strangerGrace))
	<-o.done
	return o.err
}
