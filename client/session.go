package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// session is a browser-like login, used just long enough to make a token.
type session struct {
	cookies []*http.Cookie
	csrf    string
}

func (s *session) sign(h http.Header) {
	r := http.Request{Header: h}
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	h.Set("X-CSRF-Token", s.csrf)
}

// Login makes a token for the user with the password. The login's own session
// ends before Login returns.
func Login(ctx context.Context, cfg Config, who api.Login, token api.TokenCreate) (*api.TokenCreated, error) {
	cfg.Token = ""
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	cl := newCall(http.MethodPost, "login", nil)
	cl.json = who
	res, err := c.send(ctx, cl)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	created, err := decodeBody[api.SessionCreated](cl, res)
	if err != nil {
		return nil, err
	}
	c.session = &session{res.Cookies(), created.CSRF}
	out, err := c.Tokens().Create(ctx, token)
	if end, endErr := c.send(context.WithoutCancel(ctx), newCall(http.MethodPost, "logout", nil)); endErr == nil {
		end.Body.Close() // a session that could not be ended expires by itself
	}
	if err != nil {
		return nil, err
	}
	return out.Object, nil
}
