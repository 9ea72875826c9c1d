package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// A host that does not forward between its interfaces by itself forwards on
// those that have an IPv4 address while it has networks: the kernel asks only
// the interface where a packet comes in. Which ones were changed is recorded in
// this file of the data folder, and taken back with the last network.
const forwardingFile = "forwarding"

func (d *Driver) openForwarding(ctx context.Context) error {
	if err := d.host.take(ctx); err != nil {
		return err
	}
	defer d.host.release()
	links, err := dump(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	ours := map[string]bool{"lo": true}
	for _, st := range d.networks {
		ours[st.names().uplink] = true
	}
	opened, err := d.openedLinks()
	if err != nil {
		return err
	}
	var closed []string
	for _, l := range links {
		name := l.Attrs().Name
		if ours[name] || readForwarding(name) != "0" {
			continue
		}
		addrs, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(l, netlink.FAMILY_V4) })
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", name, err)
		}
		if len(addrs) > 0 {
			closed = append(closed, name)
		}
	}
	if len(closed) == 0 {
		return nil
	}
	opened = slices.Compact(slices.Sorted(slices.Values(append(opened, closed...))))
	if err := writeFile(filepath.Join(d.cfg.Data, forwardingFile), []byte(strings.Join(opened, "\n")), 0o600); err != nil {
		return err
	}
	for _, name := range closed {
		if err := setSysctls([]sysctl{{"ipv4/conf/" + name + "/forwarding", "1"}}); err != nil {
			return err
		}
	}
	return nil
}

// closeForwarding undoes openForwarding, unless the host forwards as a whole by
// now; the caller holds the host lock.
func (d *Driver) closeForwarding() error {
	opened, err := d.openedLinks()
	if err != nil {
		return err
	}
	for _, name := range opened {
		if readForwarding("all") == "0" && readForwarding(name) == "1" {
			if err := setSysctls([]sysctl{{"ipv4/conf/" + name + "/forwarding", "0"}}); err != nil {
				return err
			}
		}
	}
	err = os.Remove(filepath.Join(d.cfg.Data, forwardingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *Driver) openedLinks() ([]string, error) {
	body, err := os.ReadFile(filepath.Join(d.cfg.Data, forwardingFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return strings.Fields(string(body)), nil
}

// readForwarding returns the setting of a link, "" if the link is gone.
func readForwarding(link string) string {
	body, _ := os.ReadFile("/proc/sys/net/ipv4/conf/" + link + "/forwarding")
	return strings.TrimSpace(string(body))
}
