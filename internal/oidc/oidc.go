// Package oidc signs people in with an OpenID Connect provider: the authorization
// code flow with PKCE, state and nonce. It tells what the provider says of a person.
//
// It must never decide who may sign in or as what, nor keep or log what the provider
// issues: codes and tokens are used once and forgotten.
package oidc

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"atoll/internal/cloud"
)

// Config says where a provider is, and how to read what it says.
type Config struct {
	Name         string
	Issuer       string // its URL; /.well-known/openid-configuration is below it
	ClientID     string
	ClientSecret string
	// Scopes to ask for; openid, profile and email if empty.
	Scopes []string
	// NameClaim is the claim that the login name is made from; preferred_username if
	// empty. Of an address, what stands before the @ is taken.
	NameClaim string
	// GroupsClaim is the claim that lists the person's groups; groups if empty.
	GroupsClaim string
	// AMR are ways to sign in, such as otp or mfa, one of which the provider must name.
	AMR []string
	// HTTP makes the calls; nil for one of its own.
	HTTP *http.Client
}

const (
	// callTime is how long a call of the provider may take.
	callTime = 10 * time.Second
	// discoveryLife is how long what the provider says of itself is believed.
	discoveryLife = time.Hour
	// discoveryPause is how long a provider that did not answer is left in peace.
	discoveryPause = 2 * time.Second
)

// Provider is one provider. It is safe for concurrent use, and asks the provider
// for its endpoints and keys only when somebody signs in.
type Provider struct {
	cfg Config

	mu    sync.Mutex
	known *gooidc.Provider
	until time.Time // known is asked for again then
	pause time.Time // nobody waits for a provider that did not answer just now
}

// New returns the provider. It calls nothing yet.
func New(cfg Config) (*Provider, error) {
	switch {
	case cfg.Issuer == "" || cfg.ClientID == "":
		return nil, cloud.FieldErrorf("issuer", "and client-id are required")
	case !strings.HasPrefix(cfg.Issuer, "https://") && !strings.HasPrefix(cfg.Issuer, "http://"):
		return nil, cloud.FieldErrorf("issuer", "%q is no URL", cfg.Issuer)
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{gooidc.ScopeOpenID, "profile", "email"}
	}
	if !slices.Contains(cfg.Scopes, gooidc.ScopeOpenID) {
		cfg.Scopes = append([]string{gooidc.ScopeOpenID}, cfg.Scopes...)
	}
	cfg.NameClaim = cmp.Or(cfg.NameClaim, "preferred_username")
	cfg.GroupsClaim = cmp.Or(cfg.GroupsClaim, "groups")
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{}
	}
	cfg.HTTP.Timeout = callTime
	return &Provider{cfg: cfg}, nil
}

// Name is the provider's name in the configuration.
func (p *Provider) Name() string { return p.cfg.Name }

// Flow are the secrets of one sign-in. They stay between us and the browser.
type Flow struct {
	State, Nonce, Verifier string
}

var errPause = errors.New("it did not answer just now")

// discover returns what the provider says of itself.
func (p *Provider) discover(ctx context.Context) (*gooidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil && time.Now().Before(p.until) {
		return p.known, nil
	}
	var found *gooidc.Provider
	err := errPause
	if time.Now().After(p.pause) {
		if found, err = gooidc.NewProvider(p.with(ctx), p.cfg.Issuer); err != nil && ctx.Err() == nil {
			p.pause = time.Now().Add(discoveryPause)
		}
	}
	if err != nil {
		if p.known != nil {
			return p.known, nil // its other endpoints may be up nevertheless
		}
		return nil, cloud.Wrap(cloud.Unavailable, err, "the sign-in provider %s cannot be reached; try again", p.cfg.Name)
	}
	p.known, p.until = found, time.Now().Add(discoveryLife)
	return found, nil
}

func (p *Provider) with(ctx context.Context) context.Context {
	return gooidc.ClientContext(ctx, p.cfg.HTTP)
}

func (p *Provider) oauth(at *gooidc.Provider, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, Endpoint: at.Endpoint(), RedirectURL: redirect, Scopes: p.cfg.Scopes,
	}
}

// Begin returns where the browser goes to sign in, and the secrets that End needs.
// redirect is where the provider sends the browser then. Unavailable says that the
// provider does not answer.
func (p *Provider) Begin(ctx context.Context, redirect, state, nonce string) (to string, f Flow, err error) {
	at, err := p.discover(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	f = Flow{State: state, Nonce: nonce, Verifier: oauth2.GenerateVerifier()}
	return p.oauth(at, redirect).AuthCodeURL(f.State, gooidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), f, nil
}

// End redeems the code that the provider sent with the browser, and returns whose
// it is. Unauthenticated says that the provider, or the token it gave, does not
// vouch for anybody; Unavailable that the provider does not answer.
func (p *Provider) End(ctx context.Context, redirect string, f Flow, code string) (id cloud.Identity, err error) {
	at, err := p.discover(ctx)
	if err != nil {
		return id, err
	}
	ctx = p.with(ctx)
	token, err := p.oauth(at, redirect).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500:
		return id, p.invalid("it does not take the code: " + clip(refused.ErrorCode))
	case err != nil: // without the cause, which may hold what was answered
		return id, cloud.Errorf(cloud.Unavailable, "the sign-in provider %s cannot be reached; try again", p.cfg.Name)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return id, p.invalid("it gave no ID token")
	}
	checked, err := at.Verifier(&gooidc.Config{ClientID: p.cfg.ClientID}).Verify(ctx, raw)
	var expired *gooidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return id, p.invalid("its ID token has expired")
	case err != nil:
		return id, cloud.Wrap(cloud.Unauthenticated, err, "the sign-in provider %s: its ID token does not hold", p.cfg.Name)
	case subtle.ConstantTimeCompare([]byte(checked.Nonce), []byte(f.Nonce)) != 1:
		return id, p.invalid("its ID token is not for this sign-in (nonce)")
	}
	claims := map[string]any{}
	if err := checked.Claims(&claims); err != nil {
		return id, p.invalid("its ID token cannot be read")
	}
	if at.UserInfoEndpoint() != "" && (claims[p.cfg.NameClaim] == nil || claims["email"] == nil || claims[p.cfg.GroupsClaim] == nil) {
		if err := p.more(ctx, at, token, claims); err != nil {
			return id, err
		}
	}
	return p.identity(checked, claims)
}

// more adds the claims that many providers give at another place alone.
func (p *Provider) more(ctx context.Context, at *gooidc.Provider, token *oauth2.Token, claims map[string]any) error {
	info, err := at.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return cloud.Errorf(cloud.Unavailable, "the sign-in provider %s does not tell about the person; try again", p.cfg.Name)
	}
	if info.Subject != text(claims["sub"]) {
		return p.invalid("it tells about somebody else than its ID token")
	}
	rest := map[string]any{}
	if err := info.Claims(&rest); err != nil {
		return p.invalid("what it tells about the person cannot be read")
	}
	for name, v := range rest {
		if claims[name] == nil {
			claims[name] = v
		}
	}
	return nil
}

func (p *Provider) invalid(what string) error {
	return cloud.Errorf(cloud.Unauthenticated, "the sign-in provider %s: %s", p.cfg.Name, what)
}

// identity reads the claims.
func (p *Provider) identity(token *gooidc.IDToken, claims map[string]any) (id cloud.Identity, err error) {
	if amr := list(claims["amr"]); len(p.cfg.AMR) > 0 && !slices.ContainsFunc(p.cfg.AMR, func(a string) bool { return slices.Contains(amr, a) }) {
		return id, p.invalid("the sign-in had no second factor (amr)")
	}
	id = cloud.Identity{Issuer: token.Issuer, Subject: token.Subject, Email: text(claims["email"]), FullName: text(claims["name"])}
	id.EmailVerified = claims["email_verified"] == true || claims["email_verified"] == "true"
	id.Name, _, _ = strings.Cut(text(claims[p.cfg.NameClaim]), "@")
	id.Groups = list(claims[p.cfg.GroupsClaim])
	return id, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// list reads a list of texts, or one.
func list(v any) []string {
	if s := text(v); s != "" {
		return []string{s}
	}
	var out []string
	many, _ := v.([]any)
	for _, x := range many {
		if s := text(x); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// clip shortens what others wrote.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
