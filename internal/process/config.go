package process

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// The keys of a deployment's configuration.
const (
	keyArchive   = "archive"       // URL of a .tar.gz, or atoll:SHA256 of one that was uploaded
	keySHA256    = "sha256"        // checksum of what is at the URL
	keyCommand   = "command"       // shell command that runs in the foreground and listens on $PORT
	keyHealth    = "health"        // path that answers 2xx or 3xx; "" asks only whether it listens
	keyStart     = "start_timeout" // until it must be healthy
	keyRestart   = "restart"
	keyMemory    = "memory_mib"
	keyProcesses = "processes"
)

var keys = []string{keyArchive, keyCommand, keyHealth, keyMemory, keyProcesses, keyRestart, keySHA256, keyStart}

// defaults is the answer of deployment_config.
var defaults = []cloud.KeyValue{{Key: keyHealth, Value: "/"}, {Key: keyRestart, Value: string(sal.RestartAlways)}, {Key: keyStart, Value: "30s"}}

// uploaded begins an archive that was uploaded to the installation.
const uploaded = "atoll:"

// config is the configuration of one deployment.
type config struct {
	url, sha256 string
	command     string
	health      string
	start       time.Duration
	restart     sal.Restart
	limits      sal.Limits
	env         []string // from the application's configuration
}

// parse reads the configuration; its error is cloud.Invalid with a line for each
// thing that is wrong.
func parse(run *wire.ControlRun) (*config, error) {
	c := &config{health: "/", start: 30 * time.Second, restart: sal.RestartAlways}
	var wrong []string
	for _, kv := range run.Deployment {
		if err := c.set(kv.Key, kv.Value); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", kv.Key, err))
		}
	}
	if c.command == "" {
		wrong = append(wrong, "command: is required: what to run, such as ./server --port $PORT")
	}
	if c.sha256 != "" {
		if err := cloud.ValidateSHA256(keySHA256, c.sha256); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	names := map[string]string{}
	for _, kv := range run.Application {
		name := cloud.VariableName(kv.Key)
		if other, taken := names[name]; taken {
			wrong = append(wrong, fmt.Sprintf("%s: and %s both become the variable %s; rename one", kv.Key, other, name))
		}
		names[name] = kv.Key
		if name == "" || strings.Contains(kv.Value, "\x00") {
			wrong = append(wrong, fmt.Sprintf("%s: cannot be an environment variable", kv.Key))
		}
		c.env = append(c.env, name+"="+kv.Value)
	}
	if len(wrong) > 0 {
		return nil, cloud.Errorf(cloud.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return c, nil
}

func (c *config) set(key, value string) (err error) {
	switch key {
	case keyArchive:
		return c.setArchive(value)
	case keySHA256:
		c.sha256 = value
	case keyCommand:
		c.command = value
	case keyHealth:
		if c.health = value; value != "" && value[0] != '/' {
			return fmt.Errorf("%q is no path such as /health", value)
		}
	case keyStart:
		if c.start, err = time.ParseDuration(value); err != nil || c.start <= 0 || c.start > time.Hour {
			return fmt.Errorf("%q is no time up to 1h such as 30s", value)
		}
	case keyRestart:
		c.restart = sal.Restart(value)
		if !slices.Contains([]sal.Restart{sal.RestartAlways, sal.RestartOnFailure, sal.RestartNever}, c.restart) {
			return fmt.Errorf("%q is none of always, on-failure and never", value)
		}
	case keyMemory:
		c.limits.MemoryMiB, err = number(value, 48, 1<<20)
	case keyProcesses:
		c.limits.Processes, err = number(value, 24, 1<<16)
	default:
		return fmt.Errorf("is no key of this bundle; they are %s", strings.Join(keys, ", "))
	}
	return err
}

func (c *config) setArchive(value string) error {
	if sum, ok := strings.CutPrefix(value, uploaded); ok {
		c.sha256 = sum
		return nil
	}
	if !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") {
		return fmt.Errorf("%q is neither a URL such as https://example.com/app-1.tar.gz nor atoll:SHA256", value)
	}
	c.url = value
	return nil
}

func number(value string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is no number from %d to %d", value, least, most)
	}
	return n, nil
}
