package rest

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"atoll/internal/cloud"
	"atoll/internal/control"
)

// metrics are the API's own numbers.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	readers  prometheus.Gauge
	handler  http.Handler
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "atoll_http_requests_total", Help: "Requests by method, route and status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "atoll_http_request_seconds", Help: "How long requests took, by method and route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "atoll_http_requests_in_flight", Help: "Requests being answered."}),
		readers:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "atoll_event_readers", Help: "Open event feeds."}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.inFlight, m.readers,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

// loops shows how the controller's loops fare. A loop that another controller
// runs has no figures here.
type loops struct{ control *control.Control }

var (
	loopRuns   = prometheus.NewDesc("atoll_loop_runs_total", "Runs of a loop on this controller.", []string{"loop"}, nil)
	loopErrors = prometheus.NewDesc("atoll_loop_errors_total", "Runs of a loop that failed.", []string{"loop"}, nil)
	loopLast   = prometheus.NewDesc("atoll_loop_last_run_seconds", "When the loop ran last, in seconds since 1970.", []string{"loop"}, nil)
)

// Describe is prometheus.Collector's.
func (l loops) Describe(c chan<- *prometheus.Desc) { c <- loopRuns; c <- loopErrors; c <- loopLast }

// Collect is prometheus.Collector's.
func (l loops) Collect(c chan<- prometheus.Metric) {
	for _, s := range l.control.Loops() {
		if s.Runs == 0 {
			continue
		}
		c <- prometheus.MustNewConstMetric(loopRuns, prometheus.CounterValue, float64(s.Runs), s.Name)
		c <- prometheus.MustNewConstMetric(loopErrors, prometheus.CounterValue, float64(s.Errors), s.Name)
		c <- prometheus.MustNewConstMetric(loopLast, prometheus.GaugeValue, float64(s.LastRun.UnixMicro())/1e6, s.Name)
	}
}

// methods are those that are counted by name, so that callers cannot make labels.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodPost: true, http.MethodPatch: true, http.MethodPut: true,
	http.MethodDelete: true, http.MethodHead: true, http.MethodOptions: true,
}

func (m *metrics) count(method, route string, status int, took time.Duration) {
	if !methods[method] {
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(method, route).Observe(took.Seconds())
}

// Metrics is where other parts of the controller register their numbers.
func (s *Server) Metrics() prometheus.Registerer { return s.metrics.registry }

// serveMetrics answers local callers that come through no proxy, and staff.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).route = "/metrics"
	addr, err := netip.ParseAddr(callOf(r.Context()).address)
	proxied := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
	if err != nil || !addr.Unmap().IsLoopback() || proxied {
		if err := s.staff(r); err != nil {
			s.refuse(w, r, err)
			return
		}
	}
	s.metrics.handler.ServeHTTP(w, r)
}

// staff returns nil if the caller has a role in the installation.
func (s *Server) staff(r *http.Request) error {
	req, _, err := s.identify(r)
	switch {
	case err != nil || req == nil:
		if limited := s.guests.take(callOf(r.Context()).address, "from your address"); limited != nil {
			return limited
		}
		if err == nil {
			err = cloud.Errorf(cloud.Unauthenticated, "metrics are for local callers, and for staff with a token")
		}
		return err
	case req.User.Role == "" || req.Account != "":
		return cloud.Errorf(cloud.Denied, "metrics are for staff of the installation: an operator could")
	}
	return nil
}

func (s *Server) livez(w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).route = "/livez"
	w.Write([]byte("ok\n")) // the caller is gone if it fails
}

// readyz says whether the store answers, what Config.Ready says, and that requests
// are to go elsewhere when the server is to stop.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).route = "/readyz"
	if s.draining.Err() != nil {
		s.refuse(w, r, cloud.Errorf(cloud.Unavailable, stopping))
		return
	}
	if err := s.control.Ready(r.Context()); err != nil {
		s.refuse(w, r, cloud.Wrap(cloud.Unavailable, err, "the store does not answer"))
		return
	}
	if s.Ready != nil {
		if err := s.Ready(); err != nil {
			s.refuse(w, r, cloud.Wrap(cloud.Unavailable, err, "not ready yet"))
			return
		}
	}
	w.Write([]byte("ok\n")) // the caller is gone if it fails
}
