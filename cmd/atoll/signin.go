package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/oidc"
)

// signInConfig is an identity provider that people may sign in with. docs/sign-in.md
// explains each key.
type signInConfig struct {
	Name             string   `yaml:"name"`
	Label            string   `yaml:"label"`
	Issuer           string   `yaml:"issuer"`
	ClientID         string   `yaml:"client-id"`
	ClientSecretFile string   `yaml:"client-secret-file"`
	CAFile           string   `yaml:"ca-file"`
	Scopes           []string `yaml:"scopes"`
	NameClaim        string   `yaml:"name-claim"`
	GroupsClaim      string   `yaml:"groups-claim"`
	AMR              []string `yaml:"amr"`
	CreateUsers      bool     `yaml:"create-users"`
	LinkByEmail      bool     `yaml:"link-by-email"`
	AllowDomains     []string `yaml:"allow-domains"`
	AllowGroups      []string `yaml:"allow-groups"`
	Roles            []struct {
		Group string `yaml:"group"`
		Role  string `yaml:"role"`
	} `yaml:"roles"`
	Memberships []struct {
		Group   string `yaml:"group"`
		Account string `yaml:"account"`
		Project string `yaml:"project"`
		Role    string `yaml:"role"`
	} `yaml:"memberships"`
}

// rules is what the provider's people may.
func (c *signInConfig) rules() (cloud.SignInProvider, error) {
	p := cloud.SignInProvider{
		Name: c.Name, Label: c.Label, CreateUsers: c.CreateUsers, LinkByEmail: c.LinkByEmail, Domains: c.AllowDomains, Groups: c.AllowGroups,
	}
	if p.Label == "" {
		p.Label = p.Name
	}
	for _, r := range c.Roles {
		p.Roles = append(p.Roles, cloud.GroupRole{Group: r.Group, Role: cloud.UserRole(r.Role)})
	}
	for _, m := range c.Memberships {
		p.Memberships = append(p.Memberships, cloud.GroupMembership{Group: m.Group, Account: m.Account, Project: m.Project, Role: cloud.UserRole(m.Role)})
	}
	return p, p.Validate()
}

// provider is how the provider is asked. It reads the client's secret.
func (c *signInConfig) provider() (*oidc.Provider, error) {
	cfg := oidc.Config{
		Name: c.Name, Issuer: c.Issuer, ClientID: c.ClientID, Scopes: c.Scopes, NameClaim: c.NameClaim, GroupsClaim: c.GroupsClaim, AMR: c.AMR,
	}
	if c.ClientSecretFile != "" {
		secret, err := os.ReadFile(c.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("client-secret-file: %w", err)
		}
		cfg.ClientSecret = strings.TrimSpace(string(secret))
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, cloud.FieldErrorf("ca-file", "%s has no certificate in PEM form", c.CAFile)
		}
		tr := http.DefaultTransport.(*http.Transport).Clone()
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		cfg.HTTP = &http.Client{Transport: tr}
	}
	return oidc.New(cfg)
}

// signIn reads the sign-in providers.
func (c *serverConfig) signIn() (rules []cloud.SignInProvider, providers []*oidc.Provider, err error) {
	seen := map[string]bool{}
	for i := range c.SignIn {
		s := &c.SignIn[i]
		r, err := s.rules()
		if err == nil && seen[s.Name] {
			err = cloud.FieldErrorf("name", "there are two of this name")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("sign-in %s: %w", s.Name, err)
		}
		p, err := s.provider()
		if err != nil {
			return nil, nil, fmt.Errorf("sign-in %s: %w", s.Name, err)
		}
		seen[s.Name] = true
		rules, providers = append(rules, r), append(providers, p)
	}
	return rules, providers, nil
}
