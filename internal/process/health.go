package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"atoll/internal/cloud"
)

const (
	probeTimeout = 2 * time.Second
	dialTimeout  = time.Second
)

// healthy asks a deployment whether it is well; the error says why not.
func (s *script) healthy(ctx context.Context, n note) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r := route{port: n.Port, user: userOf(s.runAs)}
	if n.Health == "" {
		conn, err := r.dial(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", n.Port, n.Health), nil)
	if err != nil {
		return cloud.Errorf(cloud.Invalid, "the health check %s is no path: %v", n.Health, err)
	}
	req.Host = n.Host
	req.Header.Set("User-Agent", "atoll-health")
	// Its own connection: one that is kept could be that of a process that has ended.
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return r.dial(ctx) }}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return cloud.Errorf(cloud.Unavailable, "the health check %s: %v", n.Health, err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 400 {
		return cloud.Errorf(cloud.Unavailable, "the health check %s answers %s", n.Health, resp.Status)
	}
	return nil
}

// route is where a deployment listens.
type route struct {
	port   int
	user   int // who must listen there: another project could have taken the port
	wanted bool
}

// dial connects to the deployment, and to nobody else.
func (r route) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)))
	if err != nil {
		return nil, cloud.Errorf(cloud.Unavailable, "nothing listens on its port %d (the variable PORT)", r.port)
	}
	if user, ok := listener(r.port); !ok || user != r.user {
		conn.Close()
		return nil, cloud.Errorf(cloud.Unavailable, "another program of the runner listens on its port %d", r.port)
	}
	return conn, nil
}

// loopbacks are the addresses at which a listener gets what is sent to 127.0.0.1, as
// /proc/net shows them: of several listeners the kernel takes the most exact one.
var loopbacks = []string{"0100007F", "0000000000000000FFFF00000100007F", "00000000", "00000000000000000000000000000000"}

// listener returns the user id of who listens on a port of 127.0.0.1. Others may
// listen on the same port of other addresses: that does not concern the deployment.
func listener(port int) (user int, ok bool) {
	best := len(loopbacks)
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue // a host without IPv6
		}
		if rank, who := listenerIn(f, port); rank < best {
			best, user = rank, who
		}
		f.Close()
	}
	return user, best < len(loopbacks)
}

// listenerIn returns the best listener of one table and its place in loopbacks.
func listenerIn(table io.Reader, port int) (best, user int) {
	const listening = "0A"
	best = len(loopbacks)
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || fields[3] != listening {
			continue
		}
		address, ok := strings.CutSuffix(fields[1], suffix)
		rank := slices.Index(loopbacks, address)
		if !ok || rank < 0 || rank >= best {
			continue
		}
		if id, err := strconv.Atoi(fields[7]); err == nil {
			best, user = rank, id
		}
	}
	return best, user
}
