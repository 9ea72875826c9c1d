// Package machine runs the real product, as a user has it: the binary, real
// QEMU machines, the command line and OpenSSH.
//
// It is for tests only and must never be imported by the product; it touches
// nothing on the host that it did not make.
package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"atoll/test/program"
)

// product is a running `atoll up` with its command line.
type product struct {
	t      *testing.T
	bin    string
	dir    string // of the test: data, keys, log
	listen string
	agents string
	cmd    *exec.Cmd
	log    *os.File
}

func newProduct(t *testing.T) *product {
	t.Helper()
	p := &product{t: t, bin: program.Build(t), dir: t.TempDir(), listen: freeAddress(t), agents: freeAddress(t)}
	var err error
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.stop(syscall.SIGTERM)
		}
		if t.Failed() {
			text, _ := os.ReadFile(p.log.Name()) // what there is helps
			t.Logf("log of atoll:\n%s", text[max(0, len(text)-20000):])
			consoles, _ := filepath.Glob(filepath.Join(p.data(), "agent/machines/*/console.log"))
			for _, file := range consoles {
				text, _ := os.ReadFile(file)
				t.Logf("%s:\n%s", file, text[max(0, len(text)-5000):])
			}
		}
		p.log.Close()
	})
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.key()).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	p.start()
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// publicPort returns a port for a port forward. It is none of those that the
// kernel gives to listeners that ask for any port (from 32768): the forward would
// take the connections of another test's server that gets the same one later.
func publicPort(t *testing.T) string {
	for port := 22000; port < 32768; port++ {
		if ln, err := net.Listen("tcp", fmt.Sprint(":", port)); err == nil {
			ln.Close()
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (p *product) key() string { return filepath.Join(p.dir, "key") }

func (p *product) data() string { return filepath.Join(p.dir, "data") }

// start runs `atoll up` and waits until it is ready and the node can take machines.
func (p *product) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "up", "--data", p.data(), "--listen", p.listen, "--agent-listen", p.agents)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.until("atoll is ready", time.Minute, func() error {
		resp, err := http.Get("http://" + p.listen + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
	p.until("the node is online", time.Minute, func() error {
		out, err := p.try("node", "list", "-o", "json")
		if err == nil && !strings.Contains(out, `"accelerator"`) || !strings.Contains(out, `"online"`) {
			return fmt.Errorf("nodes: %v %s", err, out)
		}
		return err
	})
}

// stop ends the program; machines go on.
func (p *product) stop(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Error(err)
	}
	err := p.cmd.Wait()
	if sig == syscall.SIGTERM && err != nil {
		p.t.Errorf("atoll ended with %v", err)
	}
	p.cmd = nil
}

// try runs the command line.
func (p *product) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, args...)
	token, err := os.ReadFile(filepath.Join(p.data(), "admin.token"))
	if err != nil {
		return "", err
	}
	cmd.Env = append(os.Environ(), "ATOLL_URL=http://"+p.listen, "ATOLL_TOKEN="+strings.TrimSpace(string(token)), "ATOLL_CONFIG="+p.dir+"/config.yaml")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("atoll %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// atoll runs the command line, which must succeed.
func (p *product) atoll(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// state returns the machine's state.
func (p *product) state(machine string) string {
	var m struct{ State string }
	out, err := p.try("machine", "show", machine, "-o", "json")
	if err != nil || json.Unmarshal([]byte(out), &m) != nil {
		return fmt.Sprint(err)
	}
	return m.State
}

// until waits for what try finds.
func (p *product) until(what string, limit time.Duration, try func() error) {
	p.t.Helper()
	var err error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // between two looks
		if err = try(); err == nil {
			return
		}
	}
	p.t.Fatalf("not within %s: %s: %v", limit, what, err)
}

// ssh runs a command in the guest with the real OpenSSH client, trying until the
// guest answers.
func (p *product) ssh(user, port, command string, limit time.Duration) string {
	p.t.Helper()
	var out []byte
	p.until("ssh "+command, limit, func() (err error) {
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "ssh", "-i", p.key(), "-p", port, "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "-o", "BatchMode=yes",
			user+"@127.0.0.1", command)
		out, err = cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	return string(out)
}

// traces lists what the product makes on a host: interfaces, namespaces,
// firewall tables, machines and helpers, cgroups.
func traces(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, c := range [][]string{
		{"ip", "-o", "link"},
		{"ip", "netns"},
		{"nft", "list", "tables"},
		{"sh", "-c", "ps -eo stat,args | grep -E '^[^Z]\\S* +(/\\S*/)?(qemu-system|dnsmasq)' | sed 's/^[^ ]* *//'"}, // a zombie is its parent's
		{"sh", "-c", "find /sys/fs/cgroup -type d -path '*atoll*' 2>/dev/null"},
	} {
		out, err := exec.Command(c[0], c[1:]...).Output()
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			if c[1] == "-o" { // without counters and flags
				f = f[1:2]
			}
			list = append(list, c[len(c)-1]+": "+strings.Join(f, " "))
		}
	}
	return list
}
