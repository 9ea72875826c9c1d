package bundle

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Call is one call of a script.
type Call struct {
	Script         string
	Args           []string
	Dir            string // the bundle's folder
	Stdout, Stderr io.Writer
}

// The exit codes of the contract. All but check know only success and failure.
const (
	exitFailure     = 1
	exitPartly      = 2 // check: some of it is ready
	exitTagMismatch = 3 // check: what is ready runs another image than the configuration says
)

// exitError ends a script with a code.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// run is one running script.
type run struct {
	config *Config
	args   Args
	out    io.Writer // the script's answer
	log    io.Writer // everything else

	connected *cluster
}

// scripts are the scripts by their names; those of the original's documentation beside those that its image has.
var scripts = map[string]func(*run, context.Context) error{
	"init":    (*run).init,
	"create":  (*run).deploy,
	"update":  (*run).deploy,
	"cleanup": (*run).cleanup,

	"archive":       (*run).archive,
	"archive_check": (*run).archiveCheck,
	"unarchive":     (*run).restore,
	"restore":       (*run).restore,

	"check":        (*run).check,
	"config_check": (*run).configCheck,
	"info":         (*run).info,

	"deployment_overrides":   (*run).deploymentConfig,
	"deployment_config":      (*run).deploymentConfig,
	"deployment_keys":        (*run).deploymentKeys,
	"deployment_config_keys": (*run).deploymentKeys,

	"app_overrides":           (*run).applicationConfig,
	"application_config":      (*run).applicationConfig,
	"app_keys":                (*run).applicationKeys,
	"application_config_keys": (*run).applicationKeys,
}

// named are the scripts that are about one deployment.
var named = []string{
	"create", "update", "cleanup", "archive", "archive_check", "unarchive", "restore", "check", "config_check", "info",
}

// IsScript tells whether the contract has a script of that name.
func IsScript(name string) bool { return scripts[name] != nil }

// Run runs a script and returns its exit code. What went wrong is on stderr, but for config_check, whose stdout is shown to the user.
func Run(ctx context.Context, c Call) int {
	err := call(ctx, c)
	if err == nil {
		return 0
	}
	to := c.Stderr
	if c.Script == "config_check" {
		to = c.Stdout
	}
	fmt.Fprintln(to, explain(err))
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitFailure
}

func call(ctx context.Context, c Call) error {
	if err := homeOfCaches(); err != nil {
		return err
	}
	config, err := loadConfig(c.Dir)
	if err != nil {
		return err
	}
	args, err := parseArgs(c.Args)
	if err != nil {
		return err
	}
	if slices.Contains(named, c.Script) {
		if args.Name == "" || args.Namespace == "" {
			return fmt.Errorf("%s needs --name and --namespace", c.Script)
		}
	}
	return scripts[c.Script](&run{config: config, args: args, out: c.Stdout, log: c.Stderr}, ctx)
}

// init tells at once what would make every other script fail.
func (r *run) init(ctx context.Context) error {
	k, err := r.cluster(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.log, "cluster %s runs Kubernetes %s\n", k.host, k.version)
	if r.config.Chart.Repository == "" {
		return nil // each deployment names its own
	}
	c, err := r.chart(ctx)
	if err == nil {
		fmt.Fprintf(r.log, "chart %s %s is there\n", c.Name(), c.Metadata.Version)
	}
	return err
}

func (r *run) deploymentConfig(context.Context) error {
	return r.writePairs(Pairs{
		{keyURL, r.config.Chart.Repository}, {keyVersion, r.config.Chart.Version}, {keyName, r.config.Chart.Name},
	})
}

func (r *run) deploymentKeys(context.Context) error {
	for _, key := range deploymentKeys() {
		fmt.Fprintln(r.out, key)
	}
	return nil
}

func (r *run) applicationConfig(context.Context) error { return r.writePairs(flatten(r.config.Values)) }

func (r *run) applicationKeys(ctx context.Context) error {
	c, err := r.chart(ctx)
	if err != nil {
		return err
	}
	for _, key := range shapeOf(c).keys() {
		fmt.Fprintln(r.out, key)
	}
	return nil
}

// writePairs answers with CSV of two columns. What is empty is not there.
func (r *run) writePairs(pairs Pairs) error {
	w := csv.NewWriter(r.out)
	for _, p := range pairs {
		if p.Key == "" || (p.Value == "" && slices.Contains(deploymentKeys(), p.Key)) {
			continue
		}
		if err := w.Write([]string{p.Key, p.Value}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
