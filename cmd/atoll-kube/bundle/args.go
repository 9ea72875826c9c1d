package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Pair is one key of a configuration with its value.
type Pair struct{ Key, Value string }

// Pairs is a configuration as the contract gives it: flat, dotted keys, in order.
type Pairs []Pair

// Args is what the contract tells a script.
type Args struct {
	Project, BaseDomain, Namespace, Name string
	Application, Deployment              Pairs
}

// secretsFile names the variable with the file that holds the secret values, so that they need not stand in a command line.
const secretsFile = "ATOLL_SECRETS_FILE"

// parseArgs reads flags and values as separate elements; what it does not know is an error, not ignored. Values of the secrets file,
// if there is one, go over those of the command line.
func parseArgs(argv []string) (Args, error) {
	var a Args
	single := map[string]*string{
		"--project-name": &a.Project, "--base-domain": &a.BaseDomain, "--namespace": &a.Namespace, "--name": &a.Name,
	}
	pairs := map[string]*Pairs{"--application-config": &a.Application, "--deployment-config": &a.Deployment}
	for len(argv) > 0 {
		if len(argv) == 1 {
			return a, fmt.Errorf("argument %s has no value", argv[0])
		}
		flag, value := argv[0], argv[1]
		argv = argv[2:]
		switch {
		case single[flag] != nil:
			*single[flag] = value
		case pairs[flag] != nil:
			key, text, ok := strings.Cut(value, "=")
			if !ok {
				return a, fmt.Errorf("%s %s: it must be KEY=VALUE", flag, value)
			}
			pairs[flag].add(key, text)
		default:
			return a, fmt.Errorf("unknown argument %s", flag)
		}
	}
	return a, a.readSecrets(os.Getenv(secretsFile))
}

func (a *Args) readSecrets(file string) error {
	if file == "" {
		return nil
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", secretsFile, err)
	}
	var secrets struct{ Application, Deployment map[string]string }
	if err := json.Unmarshal(body, &secrets); err != nil {
		return errors.New(secretsFile + ": it must be an object with application and deployment, each of keys with texts")
	}
	a.Application.merge(secrets.Application)
	a.Deployment.merge(secrets.Deployment)
	return nil
}

// add appends a key, unless it is there: of a key that comes twice the first value counts.
func (p *Pairs) add(key, value string) {
	key = strings.TrimSpace(key)
	if _, ok := p.get(key); !ok {
		*p = append(*p, Pair{key, value})
	}
}

func (p *Pairs) merge(over map[string]string) {
	for i := range *p {
		if v, ok := over[(*p)[i].Key]; ok {
			(*p)[i].Value = v
		}
	}
	for k, v := range over {
		p.add(k, v)
	}
}

func (p *Pairs) get(key string) (string, bool) {
	for _, pair := range *p {
		if pair.Key == key {
			return pair.Value, true
		}
	}
	return "", false
}

// fingerprint identifies a whole configuration, whatever its order; it fits a label of Kubernetes.
func (a Args) fingerprint() string {
	h := sha256.New()
	for _, p := range []Pairs{a.Application, a.Deployment} {
		sorted := slices.SortedFunc(slices.Values(p), func(x, y Pair) int { return strings.Compare(x.Key, y.Key) })
		body, _ := json.Marshal(sorted) // of texts: cannot fail
		h.Write(body)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
