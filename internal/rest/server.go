package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"atoll/internal/control"
	"atoll/internal/oidc"
)

// Rate is how many requests per second are let through, and how many at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Config is what the API needs to know. The zero value works.
type Config struct {
	Log     *slog.Logger // control's if nil
	Version string       // of the program, shown in openapi.json
	// PublicURL is where browsers reach the portal, if that is another origin than
	// the one that the request names: behind a proxy.
	PublicURL string
	// UserRate limits each signed-in user, AddressRate each address without valid
	// credentials. The defaults are 500/s and 20/s.
	UserRate, AddressRate Rate
	// TrustedProxies are where requests come from whose X-Forwarded-For counts.
	TrustedProxies []netip.Prefix
	// BodyTime is how long a caller may take to send a request's body; 30 s if 0.
	BodyTime time.Duration
	// ReaderTime is how long the reader of a stream may take for what is written to
	// it before it is left; 10 s if 0.
	ReaderTime time.Duration
	// Ready is what /readyz asks beside the store; nil for nothing.
	Ready func() error
	// SignIn are the identity providers of control's SignIn, with the same names.
	SignIn []*oidc.Provider
	// Portal serves all paths that are not the API's; nil for none.
	Portal http.Handler
}

// Server is the REST API over one control. It is an http.Handler.
type Server struct {
	Config
	control *control.Control
	api     huma.API
	openAPI []byte
	handler http.Handler
	open    *http.ServeMux // the routes that need no credential
	// enrolling are those, as "METHOD /path", that a session may take whose user must
	// enrol a second factor first.
	enrolling map[string]bool
	providers map[string]*oidc.Provider // by name
	users     *limiter
	guests    *limiter
	metrics   *metrics
	origins   *http.CrossOriginProtection
	hosts     []string // of PublicURL, for WebSockets

	inside   atomic.Int64 // requests that are worked on, or wait for it
	gate     *gate
	streams  streams
	draining context.Context // ends with Drain
	drain    context.CancelFunc
}

// New returns the API over the rules.
func New(c *control.Control, cfg Config) (*Server, error) {
	if cfg.Log == nil && c != nil {
		cfg.Log = c.Log
	}
	if cfg.UserRate == (Rate{}) {
		cfg.UserRate = Rate{500, 1000}
	}
	if cfg.AddressRate == (Rate{}) {
		cfg.AddressRate = Rate{20, 60}
	}
	if cfg.BodyTime == 0 {
		cfg.BodyTime = 30 * time.Second
	}
	if cfg.ReaderTime == 0 {
		cfg.ReaderTime = 10 * time.Second
	}
	s := &Server{
		Config: cfg, control: c, open: http.NewServeMux(), enrolling: map[string]bool{}, providers: map[string]*oidc.Provider{},
		users: newLimiter(cfg.UserRate), guests: newLimiter(cfg.AddressRate),
		metrics: newMetrics(), origins: http.NewCrossOriginProtection(),
		gate: newGate(gateRoom, gateLines, gatePatience), streams: streams{open: map[string]int{}},
	}
	for _, p := range cfg.SignIn {
		s.providers[p.Name()] = p
	}
	s.draining, s.drain = context.WithCancel(context.Background())
	if c != nil { // nil only describes the API
		s.metrics.registry.MustRegister(loops{c})
	}
	if cfg.PublicURL != "" {
		u, err := url.Parse(cfg.PublicURL)
		if err != nil {
			return nil, err
		}
		if err := s.origins.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, err
		}
		s.hosts = []string{u.Host}
	}
	routes := http.NewServeMux()
	s.api = humago.New(routes, s.humaConfig())
	s.api.UseMiddleware(noteRoute)
	s.register()
	routes.HandleFunc("/api/", s.noRoute)
	var err error
	if s.openAPI, err = s.describe(); err != nil {
		return nil, err
	}
	s.handler = s.observe(s.secure(s.routes(s.counted(s.admit(s.bounded(s.feedOr(s.once(routes))))))))
	return s, nil
}

// routes puts what is not an operation beside the API.
func (s *Server) routes(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", api)
	mux.Handle(octopodPath, s.octopodHandler())
	mux.HandleFunc("GET /api/v1/openapi.json", s.serveOpenAPI)
	mux.HandleFunc("GET /docs", s.serveDocs)
	mux.HandleFunc("GET /docs/{file}", s.serveDocs)
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	if s.Portal != nil {
		mux.Handle("/", s.Portal)
	} else {
		mux.HandleFunc("/", s.noRoute)
	}
	return mux
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// register adds the operations of all kinds.
func (s *Server) register() {
	for _, add := range []func(){
		s.registerSessions, s.registerSignIn, s.registerMe, s.registerSecondFactor, s.registerSettings, s.registerSearch, s.registerAccounts, s.registerUsers, s.registerServiceAccounts,
		s.registerMemberships, s.registerTokens, s.registerSSHKeys, s.registerQuotas,
		s.registerLocations, s.registerNodes, s.registerJoinTokens, s.registerSizes, s.registerImages,
		s.registerProjects, s.registerBundles, s.registerDeployments,
		s.registerCloudspaces, s.registerMachines, s.registerConsoles, s.registerDisks, s.registerPortForwards,
		s.registerWikiSpaces, s.registerWikiPages, s.registerWikiRevisions,
		s.registerScripts, s.registerJobs, s.registerRuns, s.registerSchedules,
		s.registerOperations, s.registerEvents, s.registerWebhooks, s.registerLeftovers,
	} {
		add()
	}
}
