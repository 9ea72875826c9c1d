package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The lab's outside: one namespace that stands for the network beyond the host.
const (
	outsideName = "outside"
	outsideAddr = "198.51.100.1"
	hostAddress = "198.51.100.2"
)

// wait is how long a test waits for what must come.
const wait = 20 * time.Second

// setUpOutside gives the test's host an interface, a default route and a name server.
func setUpOutside() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	ns, err := newNamespace(outsideName)
	if err != nil {
		return err
	}
	err = netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 1500}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.fd)})
	if err != nil {
		return err
	}
	for h, addr := range map[*netlink.Handle]string{ns.link: outsideAddr, {}: hostAddress} {
		if err := setUpLink(h, "eth0", netip.MustParsePrefix(addr+"/24")); err != nil {
			return err
		}
	}
	route := &netlink.Route{Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0")), Gw: net.ParseIP(outsideAddr)}
	if err := netlink.RouteAdd(route); err != nil {
		return err
	}
	return os.WriteFile(resolvFile, []byte("nameserver "+outsideAddr+"\n"), 0o644)
}

const resolvFile = "/run/resolv.conf"

func setUpLink(h *netlink.Handle, name string, addr netip.Prefix) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	if addr.IsValid() {
		if err := setAddress(h, link, addr); err != nil {
			return err
		}
	}
	return h.LinkSetUp(link)
}

// newNamespace makes a namespace: a named one, or one that ends when it is closed.
func newNamespace(name string) (*namespace, error) {
	var fd netns.NsHandle
	err := onOwnThread(func() (err error) {
		if name == "" {
			fd, err = netns.New()
		} else {
			fd, err = netns.NewNamed(name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	return &namespace{fd: fd, link: h}, err
}

// outside opens the namespace that stands for the outside.
func outside(t *testing.T) *namespace {
	t.Helper()
	fd, err := netns.GetFromName(outsideName)
	if err != nil {
		t.Fatal(err)
	}
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	ns := &namespace{fd: fd, link: h}
	t.Cleanup(ns.Close)
	return ns
}

// guest is a namespace that stands for a machine. Its eth0 is a tap whose frames
// go to and from the network's tap, as QEMU would carry them.
type guest struct {
	*namespace
	mac string
}

// newGuest plugs a guest into a tap. It may have another MAC than the tap's.
func newGuest(t *testing.T, tap, mac string) *guest {
	t.Helper()
	ns, err := newNamespace("")
	if err != nil {
		t.Fatal(err)
	}
	plug, err := openTap(tap)
	if err != nil {
		t.Fatal(err)
	}
	var card *os.File
	err = ns.do(func() error {
		card, err = openTap("eth0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	carry := func(to, from *os.File) {
		frame := make([]byte, 1<<16)
		for {
			n, err := from.Read(frame)
			if errors.Is(err, os.ErrClosed) || err == io.EOF {
				break
			}
			if err == nil {
				to.Write(frame[:n]) // fails while the other link is down, like a cable
			}
		}
		done <- struct{}{}
	}
	go carry(plug, card)
	go carry(card, plug)
	t.Cleanup(func() {
		plug.Close()
		card.Close()
		<-done
		<-done
		ns.Close()
	})
	g := &guest{ns, mac}
	link, err := ns.link.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.link.LinkSetHardwareAddr(link, hw); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lo", "eth0"} {
		if err := setUpLink(ns.link, name, netip.Prefix{}); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// openTap opens a tap, and makes it if it is missing.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open tap %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "tap "+name), nil
}

// static gives the guest an address by hand.
func (g *guest) static(t *testing.T, addr, gateway string) {
	t.Helper()
	if err := setUpLink(g.link, "eth0", netip.MustParsePrefix(addr)); err != nil {
		t.Fatal(err)
	}
	if gateway != "" {
		err := g.link.RouteReplace(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0")), Gw: net.ParseIP(gateway)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// dhcp asks for an address once and sets it. It returns what the server sent.
func (g *guest) dhcp(t *testing.T) (map[string]string, error) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "lease")
	body := "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nenv\n"
	if err := os.WriteFile(script, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := g.run("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1", "-O", "mtu", "-s", script)
	if err != nil {
		return nil, fmt.Errorf("udhcpc: %w: %s", err, out)
	}
	lease := map[string]string{}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			lease[name] = value
		}
	}
	g.static(t, lease["ip"]+"/"+lease["mask"], lease["router"])
	return lease, nil
}

// run runs a program in the namespace.
func (n *namespace) run(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := n.do(cmd.Run)
	return out.String(), err
}

// echo answers each message or connection in the namespace with who asked.
func (n *namespace) echo(t *testing.T, protocol, addr string) {
	t.Helper()
	var stop io.Closer
	done := make(chan struct{})
	err := n.do(func() error {
		if protocol == "udp" {
			c, err := net.ListenPacket("udp4", addr)
			stop = c
			go func() { defer close(done); echoUDP(c) }()
			return err
		}
		l, err := net.Listen("tcp4", addr)
		stop = l
		go func() { defer close(done); echoTCP(l) }()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop.Close(); <-done })
}

func echoUDP(c net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		_, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		c.WriteTo([]byte(from.(*net.UDPAddr).IP.String()), from)
	}
}

func echoTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(c, c.RemoteAddr().(*net.TCPAddr).IP)
		c.Close()
	}
}

// ask sends a message from the namespace (nil: from the host) and returns the answer.
func ask(n *namespace, protocol, addr string, patience time.Duration) (string, error) {
	var c net.Conn
	dial := func() (err error) {
		c, err = net.DialTimeout(protocol+"4", addr, patience)
		return err
	}
	var err error
	if n == nil {
		err = dial()
	} else {
		err = n.do(dial)
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if protocol == "udp" {
		if _, err := c.Write([]byte("who am I?")); err != nil {
			return "", err
		}
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		return string(buf[:n]), err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// reaches fails the test unless an answer comes; want, if not "", is the answer.
func reaches(t *testing.T, from *namespace, protocol, addr, want string) {
	t.Helper()
	got, err := ask(from, protocol, addr, wait)
	if err != nil || want != "" && got != want {
		t.Errorf("ask %s %s = %q, %v, want %q", protocol, addr, got, err, want)
	}
}

// isRefused fails the test if an answer comes.
func isRefused(t *testing.T, from *namespace, protocol, addr string) {
	t.Helper()
	if got, err := ask(from, protocol, addr, time.Second/5); err == nil {
		t.Errorf("ask %s %s was answered with %q, want no answer", protocol, addr, got)
	}
}

// openFlow opens one UDP socket; each call of the result asks once over it.
func openFlow(t *testing.T, from *namespace, host string, port int64) func() error {
	t.Helper()
	var c net.Conn
	err := from.do(func() (err error) {
		c, err = net.Dial("udp4", net.JoinHostPort(host, fmt.Sprint(port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return func() error {
		c.SetDeadline(time.Now().Add(time.Second))
		if _, err := c.Write([]byte("who am I?")); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 100))
		return err
	}
}

// openCurrent opens the namespace of the calling thread.
func openCurrent() (*namespace, error) {
	fd, err := netns.Get()
	return &namespace{fd: fd, link: &netlink.Handle{}}, err
}
