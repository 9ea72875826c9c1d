package faults

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
)

// loss is packets to and from an address that vanish, as with a dead host: nobody
// hears of it, neither by an answer nor by a reset. The rule belongs to a process
// of ours: the kernel takes it away with that, however that ends.
type loss struct {
	nft   *exec.Cmd
	stdin io.Closer
}

var losses atomic.Int32

// startLoss has the packets vanish until stop.
func startLoss(host, port string) (*loss, error) {
	cmd := exec.Command("nft", "-i")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l := &loss{nft: cmd, stdin: in}
	table := fmt.Sprintf("inet atoll_faults_%d_%d", os.Getpid(), losses.Add(1))
	_, err = fmt.Fprintf(in, "table %s { flags owner; chain in { type filter hook input priority 0; "+
		"ip daddr %s tcp dport %s drop; ip saddr %s tcp sport %s drop; }; }\nlist table %s\n", table, host, port, host, port, table)
	if err != nil {
		return nil, l.fail(err, &trouble)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "sport") { // the last rule is there
			return l, nil
		}
	}
	return nil, l.fail(io.ErrUnexpectedEOF, &trouble)
}

func (l *loss) fail(err error, trouble fmt.Stringer) error {
	l.stop()
	return fmt.Errorf("nft: %w: %s", err, trouble)
}

func (l *loss) stop() {
	l.stdin.Close() //nolint:errcheck // nft ends by itself else
	l.nft.Wait()    //nolint:errcheck // what it did is gone in any case
}
