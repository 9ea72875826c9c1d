package rest

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/control"
)

// sessionCookie holds the secret of a browser's session.
const sessionCookie = "atoll_session"

// csrfHeader goes with each change that a session makes.
const csrfHeader = "X-CSRF-Token"

// addressOf is where the request comes from. X-Forwarded-For counts only when a
// trusted proxy sent it: each proxy adds the address that it saw at the end, so
// that the last one that is no trusted proxy's is the client's, and what stands
// before it is the client's own claim.
func (s *Server) addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(at); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // no proxy wrote this
		}
		at = before
	}
	return at.Unmap().WithZone("").String()
}

func (s *Server) trusts(at netip.Addr) bool {
	at = at.Unmap()
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// credential returns the secret of the request, and whether a cookie held it.
func credential(r *http.Request) (secret string, cookie bool, err error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, ok := strings.Cut(h, " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			return "", false, cloud.Errorf(cloud.Unauthenticated, "the Authorization header must be: Bearer TOKEN")
		}
		return strings.TrimSpace(token), false, nil
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		return c.Value, true, nil
	}
	return "", false, nil
}

// admit lets in whoever has a credential that holds, and everybody to what is
// open, within the limits of rate.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		_, route := s.open.Handler(r)
		open := route != ""
		req, cookie, err := s.identify(r)
		if err == nil && req == nil && !open {
			err = cloud.Errorf(cloud.Unauthenticated, "sign in: send a token as 'Authorization: Bearer TOKEN', or log in")
		}
		if open || err != nil { // guests, and credentials that do not hold
			if limited := s.guests.take(c.address, "from your address"); limited != nil {
				err = limited
			} else if open && (cloud.Is(err, cloud.Unauthenticated) || cloud.Is(err, cloud.SecondFactorMissing)) {
				err, req = nil, nil // an old cookie must not keep anybody from logging in
			}
		}
		if err == nil && req != nil && !open {
			err = s.users.take(string(req.User.ID), "of this user")
		}
		if err == nil && (cookie || open) {
			err = s.checkOrigin(r, req, open)
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		c.request = req
		next.ServeHTTP(w, r)
	})
}

// identify returns the request of the caller; nil without any credential.
func (s *Server) identify(r *http.Request) (*control.Request, bool, error) {
	secret, cookie, err := credential(r)
	if err != nil || secret == "" {
		return nil, cookie, err
	}
	authenticate := s.control.Authenticate
	if s.enrolling[r.Method+" "+r.URL.Path] {
		authenticate = s.control.AuthenticateToEnrol
	}
	req, err := authenticate(r.Context(), secret)
	if err != nil {
		return nil, cookie, err
	}
	c := callOf(r.Context())
	req.ID, req.Address = c.id, c.address
	return req, cookie, nil
}

// checkOrigin refuses changes that another site's page makes with a browser's
// session: the page's origin must be ours and it must know the session's token. A
// WebSocket needs the origin alone, as browsers send no header of ours with it.
func (s *Server) checkOrigin(r *http.Request, req *control.Request, open bool) error {
	asked := r
	if isWebSocket(r) { // it may open a console: that is no mere reading
		asked = r.WithContext(r.Context())
		asked.Method = http.MethodPost
	}
	if err := s.origins.Check(asked); err != nil {
		return cloud.Wrap(cloud.Denied, err, "a page of another origin may not do this")
	}
	if open || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if req.CSRF == "" || subtle.ConstantTimeCompare([]byte(req.CSRF), []byte(r.Header.Get(csrfHeader))) != 1 {
		return cloud.Errorf(cloud.Denied, "the header %s is missing or stale; GET /api/v1/me has the session's", csrfHeader)
	}
	return nil
}
