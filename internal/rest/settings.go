package rest

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

const logoPath = "/branding/logo"

// logoPolicy lets a logo that is opened by itself run and load nothing.
const logoPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'"

func brandingView(s *cloud.Settings) api.Branding {
	v := api.Branding{DisplayName: s.DisplayName, Accent: s.Accent, Links: []api.PageLink{}, Notice: s.Notice}
	if v.DisplayName == "" {
		v.DisplayName = cloud.DefaultDisplayName
	}
	if s.Logo != "" {
		v.LogoURL = prefix + logoPath + "?v=" + s.Logo
	}
	for _, l := range s.Links {
		v.Links = append(v.Links, api.PageLink(l))
	}
	return v
}

func settingsView(s *cloud.Settings) api.Settings {
	return api.Settings{Branding: brandingView(s), SecondFactor: string(s.SecondFactor), Meta: metaView(s.Meta)}
}

func (s *Server) registerSettings() {
	const tag = "Settings"
	addOpen(s, get("/branding", "get-branding", tag, "Show what the sign-in page and the portal's frame show"), s.branding)
	logo := get(logoPath, "get-logo", tag, "Read the logo")
	logo.Responses = map[string]*huma.Response{"200": {Description: "The picture.", Content: map[string]*huma.MediaType{cloud.LogoSVG: {}, cloud.LogoPNG: {}}}}
	addOpen(s, logo, s.logo)
	add(s, get("/settings", "get-settings", tag, "Show the settings of the installation"), s.settings)
	add(s, put("/settings", "update-settings", tag, "Replace the settings, but not the logo"), s.settingsUpdate)
	upload := put("/settings/logo", "set-logo", tag, "Set the logo")
	upload.MaxBodyBytes = cloud.MaxLogo + 1 // one more is for control to refuse
	upload.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{cloud.LogoSVG: {}, cloud.LogoPNG: {}}}
	add(s, upload, s.logoSet)
	add(s, remove("/settings/logo", "delete-logo", tag, "Remove the logo"), s.logoDelete)
}

func (s *Server) branding(ctx context.Context, _ *struct{}) (*body[api.Branding], error) {
	v, err := s.control.Branding(ctx)
	if err != nil {
		return nil, err
	}
	return &body[api.Branding]{Body: brandingView(v)}, nil
}

type logo struct {
	ContentType  string `header:"Content-Type"`
	Policy       string `header:"Content-Security-Policy"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

// logoIn takes v, which changes with the logo: so browsers may keep it for long.
type logoIn struct {
	Version string `query:"v" doc:"As in logo_url."`
}

func (s *Server) logo(ctx context.Context, _ *logoIn) (*logo, error) {
	l, err := s.control.Logo(ctx)
	if err != nil {
		return nil, err
	}
	return &logo{ContentType: l.Type, Policy: logoPolicy, CacheControl: "public, max-age=86400", Body: l.Body}, nil
}

func (s *Server) settings(ctx context.Context, r *control.Request, _ *struct{}) (*body[api.Settings], error) {
	return settingsBody(s.control.Settings(ctx, r))
}

func settingsBody(v *cloud.Settings, err error) (*body[api.Settings], error) {
	if err != nil {
		return nil, err
	}
	return object(v.Meta, settingsView(v)), nil
}

type settingsUpdate struct {
	Versioned
	Body api.SettingsUpdate
}

func (s *Server) settingsUpdate(ctx context.Context, r *control.Request, in *settingsUpdate) (*body[api.Settings], error) {
	b := in.Body
	v := cloud.Settings{DisplayName: b.DisplayName, Accent: strings.ToLower(b.Accent), Notice: b.Notice, SecondFactor: cloud.SecondFactorRule(b.SecondFactor)}
	for _, l := range b.Links {
		v.Links = append(v.Links, cloud.PageLink(l))
	}
	return settingsBody(s.control.UpdateSettings(ctx, r, v))
}

type logoSet struct {
	Versioned
	ContentType string `header:"Content-Type" doc:"image/svg+xml or image/png."`
	RawBody     []byte
}

func (s *Server) logoSet(ctx context.Context, r *control.Request, in *logoSet) (*body[api.Settings], error) {
	kind, _, _ := strings.Cut(in.ContentType, ";")
	return settingsBody(s.control.SetLogo(ctx, r, &cloud.Logo{Type: strings.TrimSpace(kind), Body: in.RawBody}))
}

func (s *Server) logoDelete(ctx context.Context, r *control.Request, _ *struct{ Versioned }) (*none, error) {
	_, err := s.control.SetLogo(ctx, r, nil)
	return &none{}, err
}
