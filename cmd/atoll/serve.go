package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"atoll/internal/exchange"
	"atoll/internal/rest"
	"atoll/web"
)

const (
	// maxPeople bounds the connections of people, and so their memory; further ones
	// wait to be accepted.
	maxPeople = 5000
	// drainLimit is how long requests under way may take to end when the controller
	// stops.
	drainLimit = 10 * time.Second
)

// run serves until ctx ends; then what is under way ends before the loops do.
func (c *controller) run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, work := errgroup.WithContext(work)
	ex, err := exchange.New(work, c.control, c.agentHosts(), c.log)
	if err != nil {
		return err
	}
	people, err := rest.New(c.control, rest.Config{Log: c.log, PublicURL: c.cfg.PublicURL, TrustedProxies: c.cfg.proxies, Version: version, Ready: c.ready, SignIn: c.signIn, Portal: web.Handler()})
	if err != nil {
		return err
	}
	api := &http.Server{
		Handler:           people,
		ReadHeaderTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	g.Go(func() error { return c.control.Run(work) })
	g.Go(func() error { return paceGC(work) })
	g.Go(func() error { return ex.Serve(c.agents) })
	g.Go(func() error { return c.servePeople(api) })
	g.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
			c.drain(api, people, ex)
			return nil
		case <-work.Done(): // a part of it failed
			return api.Close()
		}
	})
	c.log.Info("controller ready", "people", c.url(), "agents", c.agentURL())
	return g.Wait()
}

// drain sends people and agents to other controllers. Load balancers see first
// that /readyz fails.
func (c *controller) drain(api *http.Server, people *rest.Server, ex *exchange.Server) {
	c.log.Info("controller stops")
	people.Drain()
	time.Sleep(c.cfg.DrainTime) // what load balancers need
	end, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { ex.Drain(end) })
	wg.Go(func() {
		if err := api.Shutdown(end); err != nil {
			c.log.Warn("requests that do not end are cut", "err", errors.Join(err, api.Close()))
		}
	})
	wg.Wait()
}

func (c *controller) servePeople(api *http.Server) (err error) {
	people := netutil.LimitListener(c.people, maxPeople)
	if c.serving == nil {
		err = api.Serve(people)
	} else {
		api.TLSConfig = c.serving.TLSConfig()
		err = api.ServeTLS(people, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
