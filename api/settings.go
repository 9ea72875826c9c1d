package api

// Branding is what the sign-in page and the portal's frame show. Everybody may
// read it.
type Branding struct {
	DisplayName string     `json:"display_name" doc:"Atoll if none was set." example:"Acme Cloud"`
	Accent      string     `json:"accent,omitempty" doc:"Colour, #rrggbb." example:"#0f6fd1"`
	LogoURL     string     `json:"logo_url,omitempty" doc:"Path of the logo; it changes with the logo." example:"/api/v1/branding/logo?v=6b86b273"`
	Links       []PageLink `json:"links" nullable:"false" doc:"For the foot of the pages."`
	Notice      string     `json:"notice,omitempty" doc:"Plain text above the sign-in form."`
}

// PageLink is a link to a page elsewhere.
type PageLink struct {
	Label string `json:"label" minLength:"1" maxLength:"60" example:"Status"`
	URL   string `json:"url" maxLength:"2000" doc:"https only." example:"https://status.example.com"`
}

// Settings are the settings of the installation.
type Settings struct {
	Branding
	SecondFactor string `json:"second_factor" enum:"none,staff,all" doc:"Who must have a second factor to sign in with a password: nobody, who has a role on the installation, or everybody."`
	Meta
}

// SettingsUpdate replaces the settings but the logo.
type SettingsUpdate struct {
	DisplayName  string     `json:"display_name,omitempty" maxLength:"60"`
	Accent       string     `json:"accent,omitempty" doc:"#rrggbb; empty for the product's own." example:"#0f6fd1"`
	Links        []PageLink `json:"links,omitempty" maxItems:"10"`
	Notice       string     `json:"notice,omitempty" maxLength:"2000" doc:"Plain text."`
	SecondFactor string     `json:"second_factor,omitempty" enum:"none,staff,all" default:"none"`
}
