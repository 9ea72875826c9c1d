package bundle

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// isGit tells whether an address is git's: git+https://, git+ssh://, git+file://, ssh://, git@host:path, or a web address that ends in .git.
func isGit(address string) bool {
	web := strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
	return strings.HasPrefix(address, "git+") || strings.HasPrefix(address, "ssh://") || strings.HasPrefix(address, "git@") ||
		(web && strings.HasSuffix(address, ".git"))
}

// fetchGit checks out one commit: the version is a branch, a tag or a commit, the name the chart's folder in the repository.
func (r *run) fetchGit(ctx context.Context, src ChartConfig) (*chart.Chart, error) {
	address := strings.TrimPrefix(src.Repository, "git+")
	protocols := "https:http:ssh"
	if src.local {
		protocols += ":file"
	}
	ref := src.Version
	if ref == "" {
		ref = "HEAD"
	}
	if strings.HasPrefix(ref, "-") || !filepath.IsLocal(filepath.Join(".", src.Name)) {
		return nil, fmt.Errorf("version %q and name %q must be a branch, tag or commit and a folder of the repository", ref, src.Name)
	}
	tmp, err := os.MkdirTemp("", "atoll-kube-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	env := append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL="+protocols, "LC_ALL=C")
	if os.Getenv("GIT_SSH_COMMAND") == "" {
		env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=10")
	}
	env = append(env, credentialsOfGit(address, src)...)
	for _, args := range [][]string{
		{"init", "-q", "."},
		{"fetch", "-q", "--depth", "1", "--", address, ref},
		{"-c", "advice.detachedHead=false", "checkout", "-q", "FETCH_HEAD"},
	} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir, cmd.Env = tmp, env
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		switch {
		case errors.Is(err, exec.ErrNotFound):
			return nil, errors.New("git is not installed on this runner")
		case err != nil:
			return nil, fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(stderr.String()))
		}
	}
	folder := filepath.Join(tmp, src.Name)
	if _, err := os.Stat(filepath.Join(folder, "Chart.yaml")); err != nil {
		return nil, fmt.Errorf("the repository has no Chart.yaml in its folder %q at %s: set %s to the chart's folder", src.Name, ref, keyName)
	}
	if err := linksStayInside(tmp); err != nil {
		return nil, err
	}
	return r.load(folder, src)
}

// credentialsOfGit gives git a password by the environment, where other users of the machine cannot read it as they can a command line.
func credentialsOfGit(address string, src ChartConfig) []string {
	u, err := url.Parse(address)
	if src.Username == "" || err != nil || !strings.HasPrefix(u.Scheme, "http") {
		return nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte(src.Username + ":" + src.Password))
	return []string{
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http." + u.Scheme + "://" + u.Host + "/.extraHeader",
		"GIT_CONFIG_VALUE_0=Authorization: Basic " + basic,
	}
}

// linksStayInside refuses symbolic links that lead out of a checkout: Helm follows them, and a template could show the runner's files.
func linksStayInside(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := filepath.EvalSymlinks(p)
		if err == nil {
			target, err = filepath.Rel(dir, target)
		}
		if err != nil || !filepath.IsLocal(target) {
			return fmt.Errorf("the repository's link %s leads out of it", strings.TrimPrefix(p, dir+"/"))
		}
		return nil
	})
}
