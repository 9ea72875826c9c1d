package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v4"
)

// defaultURL is where `atoll up` listens if nothing else is said.
const defaultURL = "http://127.0.0.1:8080"

// environment is one installation, as whom, and where in it.
type environment struct {
	URL        string `yaml:"url" json:"url"`
	Token      string `yaml:"token,omitempty" json:"-"`
	Account    string `yaml:"account,omitempty" json:"account,omitempty"`
	Cloudspace string `yaml:"cloudspace,omitempty" json:"cloudspace,omitempty"`
	CAFile     string `yaml:"ca_file,omitempty" json:"ca_file,omitempty"`
	Pin        string `yaml:"pin,omitempty" json:"pin,omitempty"`
}

// config is the contexts file. It holds tokens: only its owner may read it.
type config struct {
	Current  string                  `yaml:"current"`
	Contexts map[string]*environment `yaml:"contexts"`
}

func (a *app) configPath() (string, error) {
	if p := a.Getenv("ATOLL_CONFIG"); p != "" {
		return p, nil
	}
	dir := a.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := a.Getenv("HOME")
		if home == "" {
			return "", errors.New("neither ATOLL_CONFIG nor HOME is set: set one, so that contexts have a place")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "atoll", "config.yaml"), nil
}

// load reads the contexts; a missing file has none.
func (a *app) load() (*config, error) {
	if a.cfg != nil {
		return a.cfg, nil
	}
	cfg := &config{Contexts: map[string]*environment{}}
	path, err := a.configPath()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if len(bytes.TrimSpace(text)) > 0 {
		if err := dec.Decode(cfg); err != nil {
			return nil, fmt.Errorf("%s: %w; repair it, or remove it and log in again", path, err)
		}
	}
	for name, e := range cfg.Contexts {
		if e == nil {
			delete(cfg.Contexts, name)
		}
	}
	a.cfg = cfg
	return cfg, nil
}

// save replaces the contexts file, so that it is never half there.
func (a *app) save(cfg *config) error {
	path, err := a.configPath()
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".config-*") // has the mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// named returns the context, or the current one for "".
func (c *config) named(name string) (*environment, error) {
	if name == "" {
		name = c.Current
	}
	if name == "" {
		return nil, nil
	}
	if e := c.Contexts[name]; e != nil {
		return e, nil
	}
	return nil, usagef("there is no context %s; there are %v, and 'atoll login' makes one", name, slices.Sorted(maps.Keys(c.Contexts)))
}

// current is where to work: the environment's variables, then the context. A
// context's token goes only to the context's server.
func (a *app) current() (*environment, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	cur := environment{URL: defaultURL}
	e, err := cfg.named(a.context)
	if err != nil {
		return nil, err
	}
	if e != nil {
		cur = *e
	}
	if url := a.Getenv("ATOLL_URL"); url != "" && url != cur.URL && a.context == "" {
		cur = environment{URL: url}
	}
	if token := a.Getenv("ATOLL_TOKEN"); token != "" && a.context == "" {
		cur.Token = token
	}
	return &cur, nil
}
