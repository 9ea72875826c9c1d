// Package images builds the disk images that tests and the demo boot, with the scripts beside it,
// which need a Debian machine and root (or sudo). It downloads nothing but Debian packages, through
// the machine's own apt. The product itself must never import it: people bring their own images.
package images

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The images that Build knows.
const (
	Mini     = "mini"      // kernel, busybox and dropbear in memory; user root; seconds to ssh
	Debian12 = "debian-12" // a real distribution with cloud-init; user debian
)

//go:embed build.sh lib.sh mini debian-12
var scripts embed.FS

// Build returns the path of the named image, a qcow2 disk. It builds the image unless the cache
// ($XDG_CACHE_HOME/atoll/images, or below ~/.cache) has one made by the same scripts, which takes
// ten seconds for mini and a minute for debian-12. The file is shared: use it as a
// backing file or a source, never write to it. Calls at the same time, also from other processes,
// wait for each other. An error ends with what the script said last.
func Build(ctx context.Context, name string) (path string, err error) {
	if !slices.Contains([]string{Mini, Debian12}, name) {
		return "", fmt.Errorf("image %q is unknown; there are %s and %s", name, Mini, Debian12)
	}
	dir, err := os.MkdirTemp("", "atoll-images-")
	if err != nil {
		return "", fmt.Errorf("build image %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tree := filepath.Join(dir, "images")
	if err := os.CopyFS(tree, scripts); err != nil {
		return "", fmt.Errorf("build image %s: %w", name, err)
	}

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(tree, "build.sh"), name)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// The whole group is asked to end, so that the script removes its work directory.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build image %s: %w: %s", name, errors.Join(err, ctx.Err()), lastLines(stderr.String(), 5))
	}
	path = strings.TrimSpace(stdout.String())
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("build image %s: the script named no image: %w", name, err)
	}
	return path, nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
