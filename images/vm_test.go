package images

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kdomanski/iso9660"
	"golang.org/x/crypto/ssh"
)

// vm is a virtual machine on a fresh overlay of an image, under emulation, with a network in which
// only its ssh port can be reached.
type vm struct {
	t           *testing.T
	user        string
	signer      ssh.Signer
	console     string // file
	monitor     *bufio.Reader
	monitorConn net.Conn
	exited      chan error
	addr        string // of the ssh port
	started     time.Time
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// publicKey returns the line for authorized_keys.
func publicKey(s ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

// writeSeed makes a NoCloud CD.
func writeSeed(t *testing.T, metaData, userData string) string {
	t.Helper()
	w, err := iso9660.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Cleanup()
	for name, body := range map[string]string{"meta-data": metaData, "user-data": userData} {
		if err := w.AddFile(strings.NewReader(body), name); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "seed.iso")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := w.WriteTo(f, "cidata"); err != nil {
		t.Fatal(err)
	}
	return path
}

// boot starts a machine on an overlay of the image, grown to size.
func boot(t *testing.T, image, size, user string, signer ssh.Signer, args ...string) *vm {
	t.Helper()
	dir := t.TempDir()
	disk, socket := filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "qmp")
	out, err := exec.CommandContext(t.Context(), "qemu-img", "create", "-q", "-f", "qcow2",
		"-F", "qcow2", "-b", image, disk, size).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img create: %v: %s", err, out)
	}
	v := &vm{
		t: t, user: user, signer: signer, console: filepath.Join(dir, "console"),
		exited: make(chan error, 1), started: time.Now(),
	}
	cmd := exec.Command("qemu-system-x86_64", append([]string{
		"-accel", "tcg", "-smp", "2", "-nodefaults", "-display", "none", "-vga", "none",
		"-serial", "file:" + v.console, "-qmp", "unix:" + socket + ",server=on,wait=off",
		"-drive", "if=virtio,format=qcow2,file=" + disk,
		"-netdev", "user,id=net0,hostfwd=tcp:127.0.0.1:0-:22", "-device", "virtio-net-pci,netdev=net0",
		"-device", "virtio-rng-pci",
	}, args...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		v.exited <- cmd.Wait()
		close(v.exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-v.exited
		if t.Failed() {
			console, _ := os.ReadFile(v.console)
			t.Logf("console:\n%s", console)
		}
	})
	v.connectMonitor(socket)
	found := regexp.MustCompile(`TCP\[HOST_FORWARD\] +\d+ +127\.0\.0\.1 +(\d+)`).FindStringSubmatch(
		v.command(`{"execute":"human-monitor-command","arguments":{"command-line":"info usernet"}}`))
	if found == nil {
		t.Fatal("QEMU names no forwarded port")
	}
	v.addr = "127.0.0.1:" + found[1]
	return v
}

// until calls try until it succeeds, QEMU ends or the time is over.
func (v *vm) until(what string, limit time.Duration, try func() error) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-v.exited:
			v.t.Fatalf("%s: the machine ended (%v)", what, err)
		case <-ctx.Done():
			v.t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

func (v *vm) connectMonitor(socket string) {
	v.t.Helper()
	v.until("monitor", time.Minute, func() error {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		v.t.Cleanup(func() { conn.Close() })
		v.monitorConn, v.monitor = conn, bufio.NewReader(conn)
		_, err = v.monitor.ReadString('\n') // greeting
		return err
	})
	v.command(`{"execute":"qmp_capabilities"}`)
}

// command runs a QMP command and returns its answer if that is a string.
func (v *vm) command(line string) string {
	v.t.Helper()
	if _, err := fmt.Fprintln(v.monitorConn, line); err != nil {
		v.t.Fatal(err)
	}
	for {
		answer, err := v.monitor.ReadBytes('\n')
		if err != nil {
			v.t.Fatalf("QMP %s: %v", line, err)
		}
		var got struct {
			Return any
			Error  any
			Event  string
		}
		if err := json.Unmarshal(answer, &got); err != nil || got.Error != nil {
			v.t.Fatalf("QMP %s: %s (%v)", line, answer, err)
		}
		if got.Event == "" {
			s, _ := got.Return.(string)
			return s
		}
	}
}

// dial logs in. QEMU accepts the connection before the guest does, so a quick look at the banner
// decides whether somebody is there.
func (v *vm) dial(hostKey ssh.HostKeyCallback, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	conn, err := net.Dial("tcp", v.addr)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := r.Peek(4); err != nil {
		conn.Close()
		return nil, fmt.Errorf("no ssh banner: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c, channels, requests, err := ssh.NewClientConn(&peeked{conn, r}, v.addr,
		&ssh.ClientConfig{User: v.user, Auth: auth, HostKeyCallback: hostKey})
	if err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute)) // for what the caller does
	return ssh.NewClient(c, channels, requests), nil
}

type peeked struct {
	net.Conn
	r io.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// try runs a command in the guest with a connection of its own, and returns what it printed.
func (v *vm) try(command string) (string, error) {
	client, err := v.dial(ssh.InsecureIgnoreHostKey(), ssh.PublicKeys(v.signer))
	if err != nil {
		return "", err
	}
	defer client.Close()
	return output(client, command)
}

func output(client *ssh.Client, command string) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	return strings.TrimSpace(string(out)), err
}

// waitSSH waits until the guest lets the key in.
func (v *vm) waitSSH(limit time.Duration) {
	v.t.Helper()
	v.until("ssh", limit, func() error { _, err := v.try("true"); return err })
}

// run runs a command in a guest that must answer, though a busy one may do so late.
func (v *vm) run(command string) string {
	v.t.Helper()
	var client *ssh.Client
	v.until("log in", 3*time.Minute, func() (err error) {
		client, err = v.dial(ssh.InsecureIgnoreHostKey(), ssh.PublicKeys(v.signer))
		return err
	})
	defer client.Close()
	out, err := output(client, command)
	if err != nil {
		v.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// hostKey returns the fingerprint of the guest's ssh key.
func (v *vm) hostKey() (key string) {
	v.t.Helper()
	v.until("log in", 3*time.Minute, func() error {
		client, err := v.dial(func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = ssh.FingerprintSHA256(k)
			return nil
		}, ssh.PublicKeys(v.signer))
		if err != nil {
			return err
		}
		return client.Close()
	})
	return key
}

// reboot restarts the guest from inside and waits for the new boot.
func (v *vm) reboot(command string, limit time.Duration) {
	v.t.Helper()
	_, _ = v.try(command) // the connection may break before the answer
	_ = v.monitorConn.SetReadDeadline(time.Now().Add(limit))
	for {
		answer, err := v.monitor.ReadBytes('\n')
		if err != nil {
			v.t.Fatalf("the guest did not reset within %s: %v", limit, err)
		}
		if bytes.Contains(answer, []byte(`"RESET"`)) {
			break
		}
	}
	_ = v.monitorConn.SetReadDeadline(time.Time{})
	v.waitSSH(limit)
}

// powerOff presses the power button and waits for the guest to end.
func (v *vm) powerOff(limit time.Duration) {
	v.t.Helper()
	v.command(`{"execute":"system_powerdown"}`)
	select {
	case err := <-v.exited:
		if err != nil {
			v.t.Fatalf("power off: QEMU: %v", err)
		}
	case <-time.After(limit):
		v.t.Fatalf("the guest did not power off within %s", limit)
	}
}
