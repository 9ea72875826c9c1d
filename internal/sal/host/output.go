package host

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// output carries stdout and stderr through one pipe, so that their order stays.
// The goroutine that waits for the command also copies: when the writer blocks,
// the pipe fills and the command waits.
type output struct {
	to    io.Writer
	read  int // our end; -1 when there is no pipe, or it has ended
	write int // the command's end
	err   error
}

func newOutput(null *os.File, to io.Writer, who account) (*output, error) {
	o := &output{to: to, read: -1, write: int(null.Fd())}
	if to == nil {
		return o, nil
	}
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC)
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the node cannot open a pipe for the command's output")
	}
	o.read, o.write = fds[0], fds[1]
	if who.root {
		return o, nil
	}
	// So that the command may open /dev/stderr, as scripts do.
	if err := unix.Fchown(o.write, who.id, who.id); err != nil {
		o.started()
		o.close()
		return nil, cloud.Wrap(cloud.Unavailable, err, "the node cannot give the command its output")
	}
	return o, nil
}

// outputs makes the command's outputs: of all, or of all but Command.Stdout.
func outputs(null *os.File, cmd sal.Command, who account) (out, answer *output, err error) {
	if out, err = newOutput(null, cmd.Output, who); err != nil {
		return nil, nil, err
	}
	if answer, err = newOutput(null, cmd.Stdout, who); err != nil {
		out.started()
		out.close()
		return nil, nil, err
	}
	return out, answer, nil
}

// started closes the command's end on our side.
func (o *output) started() {
	if o.to != nil {
		unix.Close(o.write)
	}
}

func (o *output) close() {
	if o.read >= 0 {
		unix.Close(o.read)
		o.read = -1
	}
}

// copy copies once; the pipe must have something to read, or have ended. A
// writer that fails gets nothing more, and the command goes on.
func (o *output) copy() (n int) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	n, err := unix.Read(o.read, buf[:])
	switch {
	case err == unix.EINTR:
		return 0
	case n <= 0:
		o.close()
		return 0
	}
	if o.err == nil {
		_, o.err = o.to.Write(buf[:n])
	}
	return n
}

// drain copies what is left in the pipe after the command's last process has
// ended. It does not wait for a stranger that got hold of the pipe.
func (o *output) drain() {
	if o.read < 0 {
		return
	}
	left, _ := unix.IoctlGetInt(o.read, unix.TIOCINQ)
	for left > 0 && o.read >= 0 {
		left -= o.copy()
	}
	o.close()
}
