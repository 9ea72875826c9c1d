package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"atoll/internal/cloud"
)

// maxConnections bounds what the visitors of deployments take of the agent's files.
const maxConnections = 4096

// proxy leads the names of deployments to their ports.
type proxy struct {
	address string
	log     *slog.Logger
	handler *httputil.ReverseProxy

	mu     sync.Mutex
	routes map[string]route // by host name
	used   map[string]time.Time
	server *http.Server // nil while there are none
	wg     sync.WaitGroup
}

func newProxy(address string, log *slog.Logger) *proxy {
	p := &proxy{address: address, log: log, used: map[string]time.Time{}}
	p.handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			host := r.In.Host
			r.SetURL(&url.URL{Scheme: "http", Host: key(r.In.Host)})
			r.Out.Host = host
			r.SetXForwarded()
		},
		FlushInterval: -1,
		Transport: &http.Transport{
			DialContext:         p.dial,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			text := "it does not answer"
			if cloud.KindOf(err) != cloud.Internal {
				text = cloud.UserMessage(err)
			}
			http.Error(w, fmt.Sprintf("The deployment %s is not reached: %s.", key(r.Host), text), http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

// lastUse returns when the host was asked for last, the zero time for never.
func (p *proxy) lastUse(host string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used[host]
}

// key is the host name of a Host header.
func key(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// dial connects to the deployment whose name the transport takes for an address.
func (p *proxy) dial(ctx context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	r, ok := p.routes[key(address)]
	p.mu.Unlock()
	if !ok {
		return nil, cloud.Errorf(cloud.NotFound, "it was removed")
	}
	return r.dial(ctx)
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	to, ok := p.routes[key(r.Host)]
	if ok {
		p.used[key(r.Host)] = time.Now()
	}
	p.mu.Unlock()
	switch {
	case !ok:
		http.Error(w, fmt.Sprintf("There is no deployment %s on this runner.", key(r.Host)), http.StatusNotFound)
	case !to.wanted:
		http.Error(w, fmt.Sprintf("The deployment %s is stopped.", key(r.Host)), http.StatusServiceUnavailable)
	default:
		p.handler.ServeHTTP(w, r)
	}
}

// set replaces the routes, and listens while there are any.
func (p *proxy) set(routes map[string]route) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.routes = routes
	maps.DeleteFunc(p.used, func(host string, _ time.Time) bool { _, there := routes[host]; return !there })
	switch {
	case len(routes) == 0:
		p.shut()
	case p.server == nil:
		return p.listen()
	}
	return nil
}

func (p *proxy) listen() error {
	ln, err := net.Listen("tcp", p.address)
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the runner cannot listen on %s, where its deployments are reached; see --deployments-listen of atoll agent", p.address)
	}
	ln = netutil.LimitListener(ln, maxConnections)
	s := &http.Server{Handler: p, ReadHeaderTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: p.handler.ErrorLog}
	p.server = s
	p.wg.Go(func() {
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("serve deployments", "err", err)
		}
	})
	return nil
}

// shut ends the server. The caller holds mu.
func (p *proxy) shut() {
	if p.server != nil {
		p.server.Close() //nolint:errcheck // its listener is closed whatever it says
		p.server = nil
	}
	p.handler.Transport.(*http.Transport).CloseIdleConnections()
}

func (p *proxy) close() {
	p.mu.Lock()
	p.shut()
	p.mu.Unlock()
	p.wg.Wait()
}
