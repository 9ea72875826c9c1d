package rest

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/oidc"
)

const (
	signInPath = "/login/oidc/"
	// signInCookie binds a sign-in through a provider to the browser that began it.
	signInCookie = "atoll_sign_in"
	// loginPage is the portal's page that a sign-in that failed goes back to.
	loginPage = "/login"
)

func (s *Server) registerSignIn() {
	const tag, one = "Sessions", signInPath + "{provider}"
	addOpen(s, get("/login/providers", "list-login-providers", tag, "List the identity providers that people may sign in with"), s.loginProviders)
	begin := operation(http.MethodGet, one, "begin-oidc-login", tag, "Send the browser to an identity provider to sign in", http.StatusSeeOther)
	addOpen(s, begin, s.signInBegin)
	end := operation(http.MethodGet, one+"/callback", "end-oidc-login", tag, "Sign in who comes back from the identity provider", http.StatusSeeOther)
	end.Description = "Sets the session's cookie and sends the browser to return_to; if there is no session, to " + loginPage + "?problem=CODE&provider=NAME&request_id=ID, " +
		"where CODE is denied, expired, refused (by the provider), unavailable or internal."
	addOpen(s, end, s.signInEnd)
}

func (s *Server) loginProviders(context.Context, *struct{}) (*body[api.SignInProviders], error) {
	list := api.SignInProviders{Items: []api.SignInProvider{}}
	for _, p := range s.control.SignIn {
		if s.providers[p.Name] != nil {
			list.Items = append(list.Items, api.SignInProvider{Name: p.Name, Label: p.Label, URL: prefix + signInPath + p.Name})
		}
	}
	return &body[api.SignInProviders]{Body: list}, nil
}

// ProviderIn names an identity provider in the path.
type ProviderIn struct {
	Provider string `path:"provider" maxLength:"63" example:"corp"`
}

func (s *Server) provider(in ProviderIn) (*oidc.Provider, error) {
	if p := s.providers[in.Provider]; p != nil {
		return p, nil
	}
	return nil, cloud.Errorf(cloud.NotFound, "there is no sign-in provider %s", in.Provider)
}

// callback is where the provider sends the browser.
func (s *Server) callback(p *oidc.Provider) string {
	return s.publicURL() + prefix + signInPath + p.Name() + "/callback"
}

type signInBegin struct {
	FromBrowser
	ProviderIn
	ReturnTo string `query:"return_to" maxLength:"1000" doc:"Path in the portal to go to when signed in; / if left out." example:"/machines"`
}

// sent sends the browser elsewhere.
type sent struct {
	Location  string        `header:"Location"`
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

func (s *Server) signInBegin(ctx context.Context, in *signInBegin) (*sent, error) {
	p, err := s.provider(in.ProviderIn)
	if err != nil {
		return nil, err
	}
	back, err := localPath(in.ReturnTo)
	if err != nil {
		return nil, err
	}
	to, f, err := p.Begin(ctx, s.callback(p), rand.Text(), rand.Text())
	if cloud.Is(err, cloud.Unavailable) {
		return s.signInFailed(ctx, p, in.https, "unavailable", s.control.RefuseSignIn(ctx, p.Name(), callOf(ctx).address, err)), nil
	}
	if err != nil {
		return nil, err
	}
	sealed, life, err := s.control.SealFlow(control.SignInFlow{Provider: p.Name(), State: f.State, Nonce: f.Nonce, Verifier: f.Verifier, ReturnTo: back})
	if err != nil {
		return nil, err
	}
	return &sent{to, []http.Cookie{s.flowCookie(sealed, life, in.https)}}, nil
}

// localPath refuses what would take the browser to another site.
func localPath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || u.Scheme != "" || u.Host != "" ||
		strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "", cloud.FieldErrorf("return_to", "must be a path of the portal, such as /machines")
	}
	return path, nil
}

// flowCookie goes to the sign-in's own paths alone.
func (s *Server) flowCookie(sealed string, life time.Duration, https bool) http.Cookie {
	c := s.cookie(sealed, time.Now().Add(life), https)
	c.Name, c.Path = signInCookie, prefix+signInPath
	if life < 0 {
		c.MaxAge = -1
	}
	return c
}

type signInEnd struct {
	FromBrowser
	ProviderIn
	Flow  string `cookie:"atoll_sign_in"`
	Code  string `query:"code" maxLength:"4096"`
	State string `query:"state" maxLength:"256"`
	Error string `query:"error" maxLength:"256" doc:"Why the provider signed nobody in."`
	// What else providers send along.
	Description  string `query:"error_description"`
	ErrorURI     string `query:"error_uri"`
	Issuer       string `query:"iss"`
	SessionState string `query:"session_state"`
	Scope        string `query:"scope"`
}

func (s *Server) signInEnd(ctx context.Context, in *signInEnd) (*sent, error) {
	p, err := s.provider(in.ProviderIn)
	if err != nil {
		return nil, err
	}
	c := callOf(ctx)
	f, err := s.control.OpenFlow(ctx, in.Flow, p.Name(), in.State, c.address)
	if err != nil {
		return s.signInFailed(ctx, p, in.https, "expired", err), nil
	}
	if in.Error != "" {
		err := cloud.Errorf(cloud.Unauthenticated, "the provider says %.60q", in.Error)
		return s.signInFailed(ctx, p, in.https, "refused", s.control.RefuseSignIn(ctx, p.Name(), c.address, err)), nil
	}
	id, err := p.End(ctx, s.callback(p), oidc.Flow{State: f.State, Nonce: f.Nonce, Verifier: f.Verifier}, in.Code)
	if err != nil {
		return s.signInFailed(ctx, p, in.https, "refused", s.control.RefuseSignIn(ctx, p.Name(), c.address, err)), nil
	}
	secret, session, err := s.control.LoginIdentity(ctx, p.Name(), id, c.address, in.UserAgent)
	if err != nil {
		return s.signInFailed(ctx, p, in.https, "internal", err), nil
	}
	if c.request, err = s.control.AuthenticateToEnrol(ctx, secret); err != nil { // for the log
		return nil, err
	}
	return &sent{f.ReturnTo, []http.Cookie{s.flowCookie("", -1, in.https), s.cookie(secret, session.ExpiresAt.Time(), in.https)}}, nil
}

// signInFailed sends the browser to the sign-in page, which has words for the code:
// by the kind of the error, or else the given one. The error goes to the log.
func (s *Server) signInFailed(ctx context.Context, p *oidc.Provider, https bool, code string, err error) *sent {
	c := callOf(ctx)
	switch cloud.KindOf(err) {
	case cloud.Denied:
		code = "denied"
	case cloud.Unavailable, cloud.Timeout:
		code = "unavailable"
	case cloud.Internal:
		code = "internal"
	}
	s.Log.WarnContext(ctx, "sign-in failed", "request_id", c.id, "provider", p.Name(), "problem", code, "err", err)
	q := url.Values{"problem": {code}, "provider": {p.Name()}, "request_id": {c.id}}
	return &sent{loginPage + "?" + q.Encode(), []http.Cookie{s.flowCookie("", -1, https)}}
}
