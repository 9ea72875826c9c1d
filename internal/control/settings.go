package control

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"image/png"
	"io"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

var (
	settingsTarget  = target{kind: cloud.KindSettings, name: "of the installation"}
	settingsSubject = subject{kind: cloud.KindSettings, id: "installation", name: "installation"}
)

// Branding returns the settings for what everybody may see of them: the sign-in
// page has no credential yet.
func (c *Control) Branding(ctx context.Context) (s *cloud.Settings, err error) {
	err = c.view(ctx, func(tx *store.Tx) error { s, err = tx.Settings(); return err })
	return s, err
}

// Settings returns the settings of the installation. For operators.
func (c *Control) Settings(ctx context.Context, r *Request) (*cloud.Settings, error) {
	if err := r.mayList(cloud.KindSettings); err != nil {
		return nil, err
	}
	return c.Branding(ctx)
}

// UpdateSettings replaces the settings but the logo. For admins of the installation.
func (c *Control) UpdateSettings(ctx context.Context, r *Request, in cloud.Settings) (*cloud.Settings, error) {
	return c.changeSettings(ctx, r, "settings.update", func(_ *change, s *cloud.Settings) error {
		in.Logo, in.Meta = s.Logo, s.Meta
		*s = in
		return s.Validate()
	})
}

// Logo returns the logo, which everybody may see. NotFound if there is none.
func (c *Control) Logo(ctx context.Context) (l *cloud.Logo, err error) {
	err = c.view(ctx, func(tx *store.Tx) error { l, err = tx.Logo(); return err })
	return l, err
}

// SetLogo sets the logo: an SVG, or a PNG, of at most MaxLogo bytes; nil removes it.
// For admins of the installation.
func (c *Control) SetLogo(ctx context.Context, r *Request, l *cloud.Logo) (*cloud.Settings, error) {
	return c.changeSettings(ctx, r, "settings.logo", func(ch *change, s *cloud.Settings) error {
		s.Logo = ""
		if l != nil {
			if err := checkLogo(l); err != nil {
				return err
			}
			s.Logo = pki.HashToken(string(l.Body))[:16]
		}
		return ch.Tx.SetLogo(l)
	})
}

func (c *Control) changeSettings(ctx context.Context, r *Request, action string, fn func(ch *change, s *cloud.Settings) error) (*cloud.Settings, error) {
	var s *cloud.Settings
	err := c.change(ctx, r, action, func(ch *change) (err error) {
		if err := r.allow(authz.Update, settingsTarget); err != nil {
			return err
		}
		if s, err = ch.LockSettings(); err != nil {
			return err
		}
		if err := ch.match(cloud.KindSettings, settingsTarget.name, s.Version); err != nil {
			return err
		}
		before := *s
		if err := fn(ch, s); err != nil {
			return err
		}
		if err := ch.SetSettings(s); err != nil {
			return err
		}
		ch.revoked() // who needs a second factor may have changed
		return ch.event(action, settingsSubject, &before, s)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkLogo refuses what is no picture of its type. An SVG may hold scripts
// nevertheless: whoever serves it must keep browsers from running them.
func checkLogo(l *cloud.Logo) error {
	if len(l.Body) > cloud.MaxLogo {
		return cloud.Errorf(cloud.TooLarge, "the logo has %d bytes; at most %d are allowed", len(l.Body), cloud.MaxLogo)
	}
	switch l.Type {
	case cloud.LogoPNG:
		const maxSide = 4096
		cfg, err := png.DecodeConfig(bytes.NewReader(l.Body))
		if err != nil || cfg.Width > maxSide || cfg.Height > maxSide {
			return cloud.FieldErrorf("body", "is no PNG picture of at most %d by %d points", maxSide, maxSide)
		}
		return nil
	case cloud.LogoSVG:
		return checkSVG(l.Body)
	}
	return cloud.FieldErrorf("Content-Type", "%.60q is none of %s and %s", l.Type, cloud.LogoSVG, cloud.LogoPNG)
}

// checkSVG wants well-formed XML of one svg element, without a document type,
// which could name other files.
func checkSVG(body []byte) error {
	bad := cloud.FieldErrorf("body", "is no SVG picture: well-formed XML with an svg element, and no document type, is expected")
	d := xml.NewDecoder(bytes.NewReader(body))
	root := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && root {
			return nil
		}
		if err != nil {
			return bad
		}
		switch t := t.(type) {
		case xml.Directive:
			return bad
		case xml.StartElement:
			if !root && t.Name.Local != "svg" {
				return bad
			}
			root = true
		}
	}
}
