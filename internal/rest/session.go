package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func sessionView(current string) func(*cloud.Session) api.Session {
	return func(s *cloud.Session) api.Session {
		return api.Session{
			ID: string(s.ID), UserID: string(s.UserID), Address: s.Address, UserAgent: s.UserAgent, Current: string(s.ID) == current,
			Provider: s.Provider, ExpiresAt: s.ExpiresAt.Time(), CreatedAt: s.CreatedAt.Time(),
		}
	}
}

func (s *Server) registerSessions() {
	const tag = "Sessions"
	login := post("/login", "login", tag, "Log in with name and password, and a code where one is needed")
	login.Description = "401 with code second-factor says that the password is right: send the same again with code. " +
		"enrol in the answer says that the session may do nothing before a second factor is enrolled."
	addOpen(s, login, s.login)
	addOpen(s, post("/setup", "setup", tag, "Set the first password with a one-time link, and log in"), s.setup)
	addEnrolling(s, operation(http.MethodPost, "/logout", "logout", tag, "End the session of this request", http.StatusNoContent), s.logout)
	add(s, get("/sessions", "list-sessions", tag, "List a user's sessions"), s.sessionList)
	add(s, remove("/sessions/{session}", "delete-session", tag, "End a session"), s.sessionDelete)
}

// FromBrowser is what is kept of a login's sender.
type FromBrowser struct {
	UserAgent string `header:"User-Agent"`
	https     bool
}

// Resolve notes whether the browser came by TLS.
func (f *FromBrowser) Resolve(ctx huma.Context) []error {
	f.https = ctx.TLS() != nil
	return nil
}

type login struct {
	FromBrowser
	Body api.Login
}

// loggedIn is a new session with its cookie.
type loggedIn struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      api.SessionCreated
}

func (s *Server) login(ctx context.Context, in *login) (*loggedIn, error) {
	return s.newSession(ctx, control.Login{Name: in.Body.Name, Password: in.Body.Password, Code: in.Body.Code}, in.FromBrowser)
}

func (s *Server) newSession(ctx context.Context, l control.Login, from FromBrowser) (*loggedIn, error) {
	c := callOf(ctx)
	l.Address, l.Agent = c.address, from.UserAgent
	secret, session, err := s.control.Login(ctx, l)
	if err != nil {
		return nil, err
	}
	r, err := s.control.AuthenticateToEnrol(ctx, secret)
	if err != nil {
		return nil, err
	}
	c.request = r // for the log
	return &loggedIn{
		SetCookie: s.cookie(secret, session.ExpiresAt.Time(), from.https),
		Body: api.SessionCreated{
			Session: sessionView(string(session.ID))(session), User: userView(r.User), CSRF: session.CSRF, Enrol: r.Enrol,
		},
	}, nil
}

// cookie is for this host and its pages alone.
func (s *Server) cookie(secret string, expires time.Time, https bool) http.Cookie {
	return http.Cookie{
		Name: sessionCookie, Value: secret, Path: "/", Expires: expires,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: https || s.publicTLS(),
	}
}

type setup struct {
	FromBrowser
	Body api.Setup
}

func (s *Server) setup(ctx context.Context, in *setup) (*loggedIn, error) {
	name, err := s.control.UseSetupLink(ctx, in.Body.Secret, in.Body.Password, callOf(ctx).address)
	if err != nil {
		return nil, err
	}
	return s.newSession(ctx, control.Login{Name: name, Password: in.Body.Password}, in.FromBrowser)
}

type loggedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) logout(ctx context.Context, r *control.Request, in *Change) (*loggedOut, error) {
	if err := s.control.Logout(ctx, r); err != nil {
		return nil, err
	}
	gone := s.cookie("", time.Unix(1, 0), false)
	gone.MaxAge = -1
	return &loggedOut{gone}, nil
}

type sessionList struct {
	Listing
	OfUser
}

func (s *Server) sessionList(ctx context.Context, r *control.Request, in *sessionList) (*page[api.Session], error) {
	user, err := s.userID(ctx, r, in.User)
	if err != nil {
		return nil, err
	}
	list, next, err := s.control.Sessions(ctx, r, user, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, sessionView(r.Credential)), nil
}

type sessionDelete struct {
	Session string `path:"session" format:"uuid"`
	Change
}

func (s *Server) sessionDelete(ctx context.Context, r *control.Request, in *sessionDelete) (*none, error) {
	return &none{}, s.control.EndSession(ctx, r, cloud.SessionID(in.Session))
}
