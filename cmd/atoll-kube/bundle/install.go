package bundle

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// program is the name of the binary in a bundle's folder.
const program = "atoll-kube"

//go:embed helm.yaml
var exampleConfig []byte

//go:embed rbac.yaml
var rbac string

// Install makes a control-script folder: this program, a link to it for each script, and helm.yaml, which is a copy of the second argument
// or an example to fill in. What is there is replaced, but for a helm.yaml.
func Install(args []string) error {
	dir := args[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	body, err := os.ReadFile(exe)
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, program), body, 0o755); err != nil {
		return err
	}
	for _, name := range sortedKeys(scripts) {
		link := filepath.Join(dir, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(program, link); err != nil {
			return err
		}
	}
	config := filepath.Join(dir, ConfigFile)
	switch {
	case len(args) == 2:
		text, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		return replace(config, text, 0o640)
	default:
		if _, err := os.Stat(config); err == nil {
			return nil
		}
		return replace(config, exampleConfig, 0o640)
	}
}

// replace writes a file so that whoever runs or reads it has the old one or the new one.
func replace(file string, body []byte, mode fs.FileMode) error {
	tmp := file + ".new"
	if err := os.WriteFile(tmp, body, mode); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// WriteRBAC writes the service account, the Role and the binding that the bundle needs in a namespace.
func WriteRBAC(w io.Writer, namespace string) error {
	if !namespaceName.MatchString(namespace) {
		return fmt.Errorf("%q is no name of a namespace", namespace)
	}
	_, err := io.WriteString(w, strings.ReplaceAll(rbac, "NAMESPACE", namespace))
	return err
}
