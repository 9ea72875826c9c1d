package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// leaseTime is long enough for a gateway to be away for hours, and short enough
// for a guest to notice a new address of its own the same day.
const leaseTime = "12h"

// Files in a network's folder of Config.Run, which dnsmasq's user may read.
const (
	confFile   = "dnsmasq.conf"
	leasesFile = "leases" // dhcp-host lines
	hostsFile  = "hosts"  // names; dnsmasq takes the host names for DHCP from here too
	pidFile    = "dnsmasq.pid"
	daemonFile = "daemon.json" // a process, ours alone
)

// dnsmasqConf lets dnsmasq answer its leases and nobody else. The hosts are in
// files that it reads again on SIGHUP.
const dnsmasqConf = `# Made by the agent; changes are lost.
user=${User}
group=${Group}
pid-file=${Dir}/dnsmasq.pid
interface=lan
except-interface=lo
bind-interfaces
no-hosts
addn-hosts=${Dir}/hosts
expand-hosts
domain=${Domain}
local=/${Domain}/
domain-needed
bogus-priv
${Resolv}
dhcp-range=${Network},static,${Mask},${LeaseTime}
dhcp-hostsfile=${Dir}/leases
dhcp-ignore=tag:!known
dhcp-authoritative
dhcp-lease-max=65536
dhcp-option=option:mtu,${MTU}
leasefile-ro
no-ping
quiet-dhcp
`

// account is who dnsmasq runs as.
type account struct {
	name, group string
	gid         int
}

func dnsmasqUser() (account, error) {
	for _, name := range []string{"dnsmasq", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		g, err := user.LookupGroupId(u.Gid)
		if err != nil {
			return account{}, fmt.Errorf("group of user %s: %w", name, err)
		}
		gid, err := strconv.Atoi(g.Gid)
		return account{name, g.Name, gid}, err
	}
	return account{}, cloud.Errorf(cloud.Unavailable, "this node has neither user dnsmasq nor nobody to run dnsmasq: apt-get install --reinstall dnsmasq-base")
}

// daemon is the record of a running dnsmasq.
type daemon struct {
	process
	Conf string `json:"conf"` // what it was started with
}

// ensureDnsmasq has dnsmasq run in the gateway with the network's leases and
// names. It is restarted only if its configuration changes.
func (d *Driver) ensureDnsmasq(ctx context.Context, gw *namespace, st state) error {
	dir := d.runDir(st.names())
	conf, err := d.writeDnsmasq(dir, st)
	if err != nil {
		return fmt.Errorf("files of dnsmasq: %w", err)
	}
	running, err := d.runningDnsmasq(gw, dir)
	if err != nil {
		return err
	}
	if running != nil && running.Conf == conf {
		return running.signal(unix.SIGHUP)
	}
	// Besides this one, also what an agent that was killed right after the start has left.
	if err := stopStrays(gw); err != nil {
		return err
	}
	return startDnsmasq(ctx, gw, dir, conf)
}

// writeDnsmasq writes dnsmasq's files and returns its configuration.
func (d *Driver) writeDnsmasq(dir string, st state) (conf string, err error) {
	account, err := dnsmasqUser()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := errors.Join(os.Chown(dir, 0, account.gid), os.Chmod(dir, 0o750)); err != nil {
		return "", err
	}
	cidr := netip.MustParsePrefix(st.Spec.CIDR)
	resolv := "no-resolv"
	if file := d.resolv(); file != "" {
		resolv = "resolv-file=" + file
	}
	conf = fill(dnsmasqConf, map[string]string{
		"User": account.name, "Group": account.group, "Dir": dir, "Domain": st.Spec.Domain, "Resolv": resolv,
		"Network": cidr.Addr().String(), "Mask": net.IP(net.CIDRMask(cidr.Bits(), 32)).String(), "LeaseTime": leaseTime, "MTU": strconv.Itoa(d.mtu()),
	})
	leases, hosts := dnsmasqFiles(st)
	for name, body := range map[string]string{confFile: conf, leasesFile: leases, hostsFile: hosts} {
		path := filepath.Join(dir, name)
		if err := errors.Join(writeFile(path, []byte(body), 0o640), os.Chown(path, 0, account.gid)); err != nil {
			return "", err
		}
	}
	return conf, nil
}

// dnsmasqFiles returns the files that dnsmasq reads again on SIGHUP. Host names
// are not in the lease lines, where some words ("ignore", "1h") mean something.
func dnsmasqFiles(st state) (leases, hosts string) {
	var l, h strings.Builder
	for _, lease := range st.Spec.Leases {
		fmt.Fprintf(&l, "%s,%s\n", lease.MAC, lease.Address)
		fmt.Fprintf(&h, "%s %s.%s %s\n", lease.Address, lease.Hostname, st.Spec.Domain, lease.Hostname)
	}
	return l.String(), h.String()
}

// startDnsmasq starts the daemon; it returns when dnsmasq has bound its ports.
func startDnsmasq(ctx context.Context, gw *namespace, dir, conf string) error {
	path, err := program("dnsmasq")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, "--conf-file="+filepath.Join(dir, confFile))
	cmd.Dir = "/"
	cmd.WaitDelay = stopGrace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := gw.do(cmd.Run); err != nil {
		return fmt.Errorf("start dnsmasq: %w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	body, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return fmt.Errorf("dnsmasq's pid: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(body)))
	if err != nil {
		return fmt.Errorf("dnsmasq's pid: %w", err)
	}
	p, err := findProcess(pid)
	if err != nil {
		return fmt.Errorf("dnsmasq ended at once: %w", err)
	}
	record, err := json.Marshal(daemon{*p, conf})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, daemonFile), record, 0o600)
}

// runningDnsmasq returns the recorded dnsmasq if it runs in this namespace. One
// that runs in a namespace that was removed by hand is stopped.
func (d *Driver) runningDnsmasq(gw *namespace, dir string) (*daemon, error) {
	p, err := recordedDnsmasq(dir)
	if p == nil || err != nil {
		return nil, err
	}
	inode, err := gw.inode()
	if err != nil {
		return nil, err
	}
	if p.namespace() == inode {
		return p, nil
	}
	return nil, p.stop()
}

func recordedDnsmasq(dir string) (*daemon, error) {
	body, err := os.ReadFile(filepath.Join(dir, daemonFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &daemon{}
	if json.Unmarshal(body, p) != nil || !p.alive() {
		return nil, nil
	}
	return p, nil
}

// removeDnsmasq stops dnsmasq and removes its files.
func (d *Driver) removeDnsmasq(n names) error {
	p, err := recordedDnsmasq(d.runDir(n))
	if err == nil && p != nil {
		err = p.stop()
	}
	if err == nil && isNamespace(filepath.Join(netnsDir, n.bridge)) {
		var gw *namespace
		if gw, err = d.ensureNamespace(n); err == nil {
			err = stopStrays(gw)
			gw.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("stop dnsmasq: %w", err)
	}
	return os.RemoveAll(d.runDir(n))
}

func (d *Driver) runDir(n names) string { return filepath.Join(d.cfg.Run, n.bridge) }

// resolv returns the file with the upstream name servers that a gateway can
// reach, or "": servers on the host's loopback it cannot.
func (d *Driver) resolv() string {
	candidates := []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}
	if d.cfg.Resolv != "" {
		candidates = []string{d.cfg.Resolv}
	}
	for _, file := range candidates {
		body, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(body)) {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "nameserver" {
				continue
			}
			if a, err := netip.ParseAddr(fields[1]); err == nil && !a.IsLoopback() {
				return file
			}
		}
	}
	d.cfg.Log.Warn("no name server that gateways can reach: guests resolve only names of their cloudspace", "files", candidates)
	return ""
}

// releaseLease tells dnsmasq that a MAC has given its address back, so that
// another one may have it before the lease has run out. It runs in the gateway.
// The message is a DHCPRELEASE (RFC 2131) of the client; nothing answers it.
func releaseLease(gateway netip.Addr, lease wire.Lease) error {
	mac, err := sal.ParseMAC(lease.MAC)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(lease.Address)
	if err != nil {
		return err
	}
	msg := make([]byte, 300)
	copy(msg, []byte{1, 1, 6, 0})       // a request, over Ethernet, with six bytes of address
	copy(msg[12:], addr.AsSlice())      // ciaddr
	copy(msg[28:], mac)                 // chaddr
	copy(msg[236:], "\x63\x82\x53\x63") // options follow
	options := append([]byte{53, 1, 7, 54, 4}, gateway.AsSlice()...)
	copy(msg[240:], append(options, 255))
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var bindErr error
		err := c.Control(func(fd uintptr) { bindErr = unix.BindToDevice(int(fd), lanLink) })
		return errors.Join(err, bindErr)
	}}
	conn, err := dialer.Dial("udp4", net.JoinHostPort(gateway.String(), "67"))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(msg)
	return err
}
