package rest

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"atoll/api"
	"atoll/internal/cloud"
)

func TestSettings(t *testing.T) {
	w := newWorld(t)
	var b api.Branding
	w.get("", "/api/v1/branding").read(&b)
	if b.DisplayName != "Atoll" || b.LogoURL != "" || b.Links == nil || b.Accent != "" {
		t.Errorf("branding of a new installation: %+v", b)
	}
	for field, body := range map[string]string{
		"accent":        `{"accent":"red"}`,
		"links":         `{"links":[{"label":"x","url":"http://plain.test"}]}`,
		"second_factor": `{"second_factor":"some"}`,
		"notice":        `{"notice":"a\u0007"}`,
	} {
		w.do(w.admin, "PUT", "/api/v1/settings", body).problem(422, "invalid", field)
	}
	for _, url := range []string{"javascript:alert(1)", "//evil.test", "https://user:pw@evil.test", "data:text/html,x"} {
		w.do(w.admin, "PUT", "/api/v1/settings", api.SettingsUpdate{Links: []api.PageLink{{Label: "x", URL: url}}}).problem(422, "invalid", "links")
	}
	a := w.do(w.admin, "PUT", "/api/v1/settings", `{"display_name":"Acme Cloud","accent":"#0F6FD1","notice":"Staff only.","links":[{"label":"Status","url":"https://status.example.com"}]}`,
		"If-Match", w.get(w.admin, "/api/v1/settings").Header.Get("ETag"))
	a.status(200)
	w.get("", "/api/v1/branding").read(&b)
	if b.DisplayName != "Acme Cloud" || b.Accent != "#0f6fd1" || b.Notice != "Staff only." || len(b.Links) != 1 {
		t.Errorf("branding: %+v", b)
	}
	operator := w.user("op", cloud.InstallationOperator, "")
	var s api.Settings
	a = w.get(operator, "/api/v1/settings")
	a.read(&s)
	if s.SecondFactor != "none" || s.Version != 2 || a.Header.Get("ETag") != `"2"` {
		t.Errorf("settings: %+v", s)
	}
	w.do(operator, "PUT", "/api/v1/settings", `{}`).problem(403, "denied", "")
	w.do(w.admin, "PUT", "/api/v1/settings", `{}`, "If-Match", `"7"`).problem(409, "conflict", "")
	w.do(w.admin, "PUT", "/api/v1/settings?dry_run=true", `{}`).status(200)
	w.get(operator, "/api/v1/settings").read(&s)
	if s.DisplayName != "Acme Cloud" {
		t.Errorf("a dry run changes the settings: %+v", s)
	}
}

func TestLogo(t *testing.T) {
	w := newWorld(t)
	const svg = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	var picture bytes.Buffer
	w.ok(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))))
	put := func(kind, body string) *answered {
		return w.do(w.admin, "PUT", "/api/v1/settings/logo", body, "Content-Type", kind)
	}
	w.get("", "/api/v1/branding/logo").problem(404, "not-found", "")
	put("text/html", "<html>").problem(422, "invalid", "Content-Type")
	put("image/png", svg).problem(422, "invalid", "body")
	for _, bad := range []string{"", "no", "<html/>", "<svg>", `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>`} {
		if a := put("image/svg+xml", bad); a.StatusCode < 400 || a.StatusCode >= 500 {
			t.Errorf("the SVG %q is taken: %d", bad, a.StatusCode)
		}
	}
	put("image/svg+xml", "<svg>"+strings.Repeat(" ", cloud.MaxLogo)+"</svg>").problem(413, "too-large", "")
	for kind, body := range map[string]string{"image/svg+xml": svg, "image/png": picture.String()} {
		var s api.Settings
		a := put(kind, body)
		a.status(200)
		a.read(&s)
		// Scripts of the SVG never run, also if it is opened by itself.
		got := w.get("", s.LogoURL)
		got.status(200)
		for name, want := range map[string]string{
			"Content-Type": kind, "Content-Security-Policy": logoPolicy, "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=86400",
		} {
			if v := got.Header.Get(name); v != want {
				t.Errorf("%s: header %s = %q, want %q", kind, name, v, want)
			}
		}
		if got.text != body {
			t.Errorf("%s comes back as %q", kind, got.text)
		}
	}
	w.do(w.admin, "PUT", "/api/v1/settings", `{"display_name":"x"}`).status(200)
	var b api.Branding
	w.get("", "/api/v1/branding").read(&b)
	if b.LogoURL == "" {
		t.Error("the logo goes with a change of the settings")
	}
	w.do(w.admin, "DELETE", "/api/v1/settings/logo", nil).status(http.StatusNoContent)
	w.get("", "/api/v1/branding/logo").problem(404, "not-found", "")
}
