package cloud

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// ControlScript names a control script: an executable of a project that does one
// thing to its deployments. The contract is Octopod's (docs/octopod.md).
type ControlScript string

// The control scripts.
const (
	ScriptInit             ControlScript = "init"
	ScriptCreate           ControlScript = "create"
	ScriptUpdate           ControlScript = "update"
	ScriptArchive          ControlScript = "archive"
	ScriptUnarchive        ControlScript = "unarchive"
	ScriptCleanup          ControlScript = "cleanup"
	ScriptCheck            ControlScript = "check"
	ScriptArchiveCheck     ControlScript = "archive_check"
	ScriptConfigCheck      ControlScript = "config_check"
	ScriptInfo             ControlScript = "info"
	ScriptDeploymentConfig ControlScript = "deployment_config"
	ScriptDeploymentKeys   ControlScript = "deployment_keys"
	ScriptAppConfig        ControlScript = "app_config"
	ScriptAppKeys          ControlScript = "app_keys"
	ScriptNotifications    ControlScript = "notifications"
)

// ControlScripts lists them.
var ControlScripts = []ControlScript{
	ScriptInit, ScriptCreate, ScriptUpdate, ScriptArchive, ScriptUnarchive, ScriptCleanup, ScriptCheck, ScriptArchiveCheck,
	ScriptConfigCheck, ScriptInfo, ScriptDeploymentConfig, ScriptDeploymentKeys, ScriptAppConfig, ScriptAppKeys, ScriptNotifications,
}

// scriptFiles are the names of a control script's file where they are not its
// own: what Octopod's chart ships, then what its documentation says.
var scriptFiles = map[ControlScript][]string{
	ScriptDeploymentConfig: {"deployment_overrides", "deployment_config"},
	ScriptDeploymentKeys:   {"deployment_keys", "deployment_config_keys"},
	ScriptAppConfig:        {"app_overrides", "application_config"},
	ScriptAppKeys:          {"app_keys", "application_config_keys"},
	ScriptNotifications:    {"notifications", "notification"},
}

// Files returns the names that the script's file may have; the first one that is
// there counts.
func (s ControlScript) Files() []string {
	if names := scriptFiles[s]; names != nil {
		return names
	}
	return []string{string(s)}
}

// Optional reports whether a bundle may do without the script: nothing is done
// in its place.
func (s ControlScript) Optional() bool { return s == ScriptInit || s == ScriptNotifications }

// Answers reports whether the script's standard output is its answer, which
// the controller reads.
func (s ControlScript) Answers() bool {
	switch s {
	case ScriptConfigCheck, ScriptInfo, ScriptDeploymentConfig, ScriptDeploymentKeys, ScriptAppConfig, ScriptAppKeys:
		return true
	}
	return false
}

// Looks reports whether the script changes nothing, so that it may be run again
// whenever it is not known how it ended.
func (s ControlScript) Looks() bool {
	return s.Answers() || s == ScriptCheck || s == ScriptArchiveCheck
}

// Limits of control scripts.
const (
	MaxControlStdout = 256 << 10 // bytes of an answer
	// MinRedacted is the length from which a secret value is replaced in output:
	// to replace shorter ones would destroy the text and hide nothing.
	MinRedacted = 3
)

// KeyValue is one value of a configuration that a control script gets.
type KeyValue struct {
	Key   string `json:"key"` // dotted
	Value string `json:"value"`
	// Secret values are sealed in the store, and never shown, logged, or given to a
	// script in its arguments where another way exists.
	Secret bool `json:"secret,omitempty"`
}

// ControlArgs is what a control script is told.
type ControlArgs struct {
	Project, BaseDomain, Namespace string
	Name                           string // of the deployment
	Deployment, Application        []KeyValue
	OldStatus, NewStatus           string // with ScriptNotifications, in Octopod's words
}

// SecretMark begins, in an argument, the value of a secret key: the path of the
// file that holds the value follows. Arguments are visible to every process of the
// project; the file is not.
const SecretMark = "@secret:"

// Argv returns the script's arguments in the contract's order. In place of the
// value of secret entry i of a list, it has SecretMark and what secretFile
// returns for "deployment" or "application" and i.
func (s ControlScript) Argv(a ControlArgs, secretFile func(list string, i int) string) []string {
	base := []string{"--project-name", a.Project, "--base-domain", a.BaseDomain, "--namespace", a.Namespace}
	pairs := func(list string, kvs []KeyValue) (argv []string) {
		for i, kv := range kvs {
			value := kv.Value
			if kv.Secret {
				value = SecretMark + secretFile(list, i)
			}
			argv = append(argv, "--"+list+"-config", kv.Key+"="+value)
		}
		return argv
	}
	switch s {
	case ScriptInit:
		return nil
	case ScriptDeploymentConfig, ScriptDeploymentKeys:
		return base
	case ScriptAppConfig, ScriptAppKeys:
		return append(pairs("deployment", a.Deployment), base...)
	case ScriptNotifications:
		return append(base, "--name", a.Name, "--old-status", a.OldStatus, "--new-status", a.NewStatus)
	}
	return slices.Concat(base, []string{"--name", a.Name}, pairs("application", a.Application), pairs("deployment", a.Deployment))
}

// Link is where a deployment is reached. A blank name is shown as its URL.
type Link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// ParseConfigCSV reads the answer of ScriptDeploymentConfig and ScriptAppConfig:
// rows key,value (RFC 4180) without a header; empty lines do not count. The error
// is Invalid and names the line.
func ParseConfigCSV(stdout string) ([]KeyValue, error) {
	rows, err := parseCSV(stdout, "key,value")
	kvs := make([]KeyValue, 0, len(rows))
	for _, row := range rows {
		kvs = append(kvs, KeyValue{Key: row[0], Value: row[1]})
	}
	return kvs, err
}

// ParseLinks reads the answer of ScriptInfo: rows name,url as ParseConfigCSV has
// them.
func ParseLinks(stdout string) ([]Link, error) {
	rows, err := parseCSV(stdout, "name,url")
	links := make([]Link, 0, len(rows))
	for _, row := range rows {
		links = append(links, Link{Name: row[0], URL: row[1]})
	}
	return links, err
}

// parseCSV reads rows of two columns.
func parseCSV(text, columns string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	var rows [][]string
	for {
		row, err := r.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return rows, nil
		case errors.As(err, &wrong):
			return nil, Errorf(Invalid, "line %d of the answer is no CSV (RFC 4180): %v", wrong.Line, wrong.Err)
		case err != nil:
			return nil, Errorf(Invalid, "the answer is no CSV (RFC 4180): %v", err)
		case len(row) != 2:
			line, _ := r.FieldPos(0)
			return nil, Errorf(Invalid, "line %d of the answer has %d columns; it must have two: %s", line, len(row), columns)
		}
		rows = append(rows, row)
	}
}

// ParseKeys reads the answer of ScriptDeploymentKeys and ScriptAppKeys: one key
// per line; empty lines do not count.
func ParseKeys(stdout string) []string {
	keys := []string{}
	for line := range strings.Lines(stdout) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			keys = append(keys, line)
		}
	}
	return keys
}
