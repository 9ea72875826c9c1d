package wire

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A connection whose other end is gone without a word (a dead host, a network that
// swallows everything) is given up after GoneAfter: a held exchange is silent for
// HoldSeconds, so the kernels ask each other. A probe every five seconds costs
// 10,000 agents 2,000 small packets a second; a loss of some seconds, as when a
// switch restarts, ends nothing.
const (
	GoneAfter    = 10 * time.Second
	probeAfter   = 5 * time.Second
	probeEvery   = time.Second
	probesAtMost = 5
)

func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: probesAtMost}
}

// Dialer returns what agents open connections with.
func Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, KeepAliveConfig: keepAlive(), Control: giveUp}
}

// Listener returns what controllers take the agents' connections with.
func Listener() *net.ListenConfig {
	return &net.ListenConfig{KeepAliveConfig: keepAlive(), Control: giveUp}
}

// giveUp bounds how long what was sent may stay without an acknowledgement; the
// connections of a listener inherit it.
func giveUp(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(GoneAfter.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
