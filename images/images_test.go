package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func build(t *testing.T, name string) string {
	t.Helper()
	start := time.Now()
	path, err := Build(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: image ready in %.1f s", name, time.Since(start).Seconds())
	return path
}

func TestBuildUnknown(t *testing.T) {
	if _, err := Build(t.Context(), "windows"); err == nil || !strings.Contains(err.Error(), "windows") {
		t.Errorf("Build(windows) = %v, want an error that names it", err)
	}
}

// Builds at the same time give one image, and a cancelled build leaves nothing.
func TestBuildCache(t *testing.T) {
	cache, tmp := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("TMPDIR", tmp)

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Build(ctx, Mini); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Build with one second = %v, want deadline exceeded", err)
	}
	for _, dir := range []string{tmp + "/*", cache + "/atoll/images/*.qcow2*"} {
		if left, _ := filepath.Glob(dir); len(left) > 0 {
			t.Errorf("a cancelled build left %s", left)
		}
	}

	var paths [2]string
	var wg sync.WaitGroup
	for i := range paths {
		wg.Go(func() {
			var err error
			if paths[i], err = Build(t.Context(), Mini); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if paths[0] != paths[1] {
		t.Errorf("two builds of the same inputs: %v", paths)
	}
	if left, _ := filepath.Glob(tmp + "/*"); len(left) > 0 {
		t.Errorf("builds left %s", left)
	}
}

func TestMiniScript(t *testing.T) {
	signer := newSigner(t)
	seed := writeSeed(t, fmt.Sprintf("instance-id: i-1\nlocal-hostname: web-1\npublic-keys:\n  - %s someone@laptop\n", publicKey(signer)),
		"#!/bin/sh\necho \"script on $(hostname)\" >>/data/script\n")
	second := filepath.Join(t.TempDir(), "second.raw")
	if err := os.WriteFile(second, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	v := boot(t, build(t, Mini), "1G", "root", signer, "-m", "192",
		"-drive", "if=virtio,format=raw,readonly=on,file="+seed, "-drive", "if=virtio,format=raw,file="+second)
	v.waitSSH(3 * time.Minute)
	t.Logf("mini: ssh after %.1f s", time.Since(v.started).Seconds())

	const waitUserData = "n=0; until [ -e /run/user-data.done ] || [ $n -gt 120 ]; do n=$((n+1)); sleep 1; done; cat /run/user-data.done"
	for _, tt := range []struct{ command, want string }{
		{"hostname", "web-1"},
		{"nproc", "2"},
		{waitUserData, "0"},
		{"cat /data/script", "script on web-1"},
		{"blockdev --getsize64 /dev/vdc", "16777216"},
		{"cat /sys/class/misc/hw_random/rng_current", "virtio_rng.0"},
		{"cat /root/.ssh/authorized_keys", publicKey(signer) + " someone@laptop"},
		{"ip route | cut -d' ' -f1-5", "default via 10.0.2.2 dev eth0\n10.0.2.0/24 dev eth0 scope link"},
	} {
		if got := v.run(tt.command); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.command, got, tt.want)
		}
	}
	v.until("refusal of an empty password", time.Minute, func() error {
		client, err := v.dial(ssh.InsecureIgnoreHostKey(), ssh.Password(""))
		if err == nil {
			client.Close()
			t.Fatal("root may log in with an empty password")
		}
		if strings.Contains(err.Error(), "unable to authenticate") {
			return nil
		}
		return err
	})

	key := v.hostKey()
	v.run("echo kept >/data/kept")
	start := time.Now()
	v.reboot("reboot", 3*time.Minute)
	t.Logf("mini: ssh again %.1f s after reboot", time.Since(start).Seconds())
	if got := v.run(waitUserData + "; cat /data/kept /data/script"); got != "0\nkept\nscript on web-1" {
		t.Errorf("after the reboot: %q, want the file kept and the script run only once", got)
	}
	if got := v.hostKey(); got != key {
		t.Errorf("host key changed with the reboot: %s, was %s", got, key)
	}
	v.powerOff(time.Minute)
}

func TestMiniCloudConfig(t *testing.T) {
	signer, other := newSigner(t), newSigner(t)
	seed := writeSeed(t, "instance-id: i-1\nlocal-hostname: \"from-meta\" # quoted\n", fmt.Sprintf(`#cloud-config
hostname: from-user
ssh_authorized_keys:
  - "%s"
  - command="false" %s
packages: [vim]
runcmd:
  - echo plain >>/data/out # not a comment of YAML's
  - "echo \"quoted: yes\" >>/data/out"
  - [ sh, -c, 'echo "list, $1" >>/data/out', sh, one ]
  - |
    for i in 1 2; do
      echo block $i >>/data/out
    done
`, publicKey(signer), publicKey(other)))
	v := boot(t, build(t, Mini), "1G", "root", signer, "-m", "192", "-cdrom", seed)
	v.waitSSH(3 * time.Minute)
	t.Logf("mini with the seed on a CD drive: ssh after %.1f s", time.Since(v.started).Seconds())
	v.until("runcmd", 3*time.Minute, func() error { _, err := v.try("test -e /run/user-data.done"); return err })
	for _, tt := range []struct{ command, want string }{
		{"hostname", "from-user"},
		{"cat /root/.ssh/authorized_keys", publicKey(signer)},
		{"cat /data/out", "plain\nquoted: yes\nlist, one\nblock 1\nblock 2"},
	} {
		if got := v.run(tt.command); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.command, got, tt.want)
		}
	}
	if console, _ := os.ReadFile(v.console); !strings.Contains(string(console), "ignored: packages") {
		t.Error("the console does not say that packages are not supported")
	}
	v.powerOff(time.Minute)
}

func TestDebian12(t *testing.T) {
	signer := newSigner(t)
	seed := writeSeed(t, "instance-id: i-1\nlocal-hostname: db-1\n", fmt.Sprintf(`#cloud-config
ssh_authorized_keys: ["%s"]
runcmd:
  - echo "ran on $(hostname)" >/var/lib/ran
`, publicKey(signer)))
	v := boot(t, build(t, Debian12), "5G", "debian", signer, "-m", "768",
		"-drive", "if=virtio,format=raw,readonly=on,file="+seed)
	v.waitSSH(8 * time.Minute)
	t.Logf("debian-12: ssh after %.1f s", time.Since(v.started).Seconds())
	for _, tt := range []struct{ command, want string }{
		{"cloud-init status --wait | tr -d .", "status: done"},
		{"hostname", "db-1"},
		{"cat /var/lib/ran", "ran on db-1"},
		{"sudo id -u", "0"},
		{"test $(df --output=size -BM / | tr -dc 0-9) -gt 4000 && echo grown", "grown"},
		{"systemctl --failed --no-legend", ""},
		{"sudo ls /boot/syslinux | tr '\\n' ' '", "initrd ldlinux.c32 ldlinux.sys linux syslinux.cfg"},
	} {
		if got := v.run(tt.command); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.command, got, tt.want)
		}
	}
	v.powerOff(3 * time.Minute)
}
