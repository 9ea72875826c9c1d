// Package network makes the networks of cloudspaces on a Linux host.
//
// One network is: a bridge without address in the agent's network namespace,
// where the taps of the machines are plugged in; a persistent namespace of the
// same name, the gateway, that holds the network's first address, dnsmasq (DHCP
// for the leases of the specification and nobody else, DNS) and its own nftables
// rules; and an uplink, a veth pair with transit addresses, between the gateway
// and the host. The gateway masquerades what leaves, so that networks may have
// equal addresses; the host masquerades again. A public port is translated
// twice: on the host to the gateway, in the gateway to the machine. All of it is
// made by the kernel and a daemon, so that it outlives the agent.
//
// Guests reach DHCP and DNS of their gateway, the outside, and published ports;
// never the host itself, link-local addresses (the host's own metadata service)
// or another network. A tap passes only frames with the MAC and address of its
// lease, and no IPv6. The ports of a bridge are neither isolated, since machines
// of one cloudspace talk to each other, nor hairpins, since no port needs its
// own frames back.
//
// The rules live in tables of our own, named after the data folder so that two
// agents on one host do not replace each other's; they are always replaced as a
// whole. A drop in other people's tables still drops: where Docker, ufw or
// firewalld have set the policy of FORWARD to drop, the operator lets uplinks
// and (with br_netfilter) bridges pass:
//
//	iptables -I DOCKER-USER -i 'at+' -j ACCEPT
//	iptables -I DOCKER-USER -o 'at+' -j ACCEPT
//
// It must never use a shell, touch tables, links or processes that it did not
// make, or know about machines and jobs.
package network

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// Config says where a Driver works. Only Data is required.
type Config struct {
	// Data is the agent's data folder: Data/networks/<id>.json records each network.
	Data string
	// Run is the folder of what a reboot may lose: dnsmasq's files. /run/atoll/networks if "".
	Run string
	// Transit is the range of the uplinks' addresses; guests never see it.
	// 100.64.0.0/10 if zero. Change it where the host's own network has it.
	Transit netip.Prefix
	// MTU of the networks; 0 takes that of the host's default route less the 50
	// bytes of a VXLAN header, and at most 1450.
	MTU int
	// Resolv names a resolv.conf with the upstream name servers. If "", it is
	// /etc/resolv.conf, or systemd-resolved's where that has only loopback servers.
	Resolv string
	// TapOwner and TapGroup may open the taps without privileges; 0 is root.
	TapOwner, TapGroup uint32
	Log                *slog.Logger
}

// Driver is the real sal.Networks.
type Driver struct {
	cfg   Config
	table string // name of our tables in the agent's namespace
	locks sync.Map
	// host guards networks, their files, forwarding and the host's tables.
	// Where a network's own lock is taken too, that one is taken first.
	host     lock
	networks map[cloud.CloudspaceID]state
}

var _ sal.Networks = (*Driver)(nil)

// New returns a driver that knows the networks recorded in cfg.Data. It changes
// nothing on the host; see Restore.
func New(cfg Config) (*Driver, error) {
	if cfg.Run == "" {
		cfg.Run = "/run/atoll/networks"
	}
	if !cfg.Transit.IsValid() {
		cfg.Transit = netip.MustParsePrefix("100.64.0.0/10")
	}
	if !cfg.Transit.Addr().Is4() || cfg.Transit.Bits() > 31 {
		return nil, fmt.Errorf("transit range %s is no IPv4 range of /31 or more", cfg.Transit)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", cfg.Data, err)
	}
	cfg.Data = filepath.Join(data, "networks")
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("folder of networks: %w", err)
	}
	d := &Driver{cfg: cfg, table: tableName(data), host: make(lock, 1)}
	if d.networks, err = loadStates(cfg.Data); err != nil {
		return nil, err
	}
	return d, nil
}

// Missing returns the programs that networks need and that are not installed.
func Missing() []string {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		if _, err := program(name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// Ensure makes the network exactly as specified, and repairs what is missing
// of it. Besides sal.Networks' errors: Invalid with the field that is wrong;
// Denied without privileges; Unavailable if a program is missing; Conflict if
// the number belongs to another network.
func (d *Driver) Ensure(ctx context.Context, spec wire.NetworkSpec) error {
	if err := ready(); err != nil {
		return err
	}
	spec, err := sal.CheckNetwork(spec)
	if err != nil {
		return err
	}
	if netip.MustParsePrefix(spec.CIDR).Overlaps(d.cfg.Transit) {
		return cloud.FieldErrorf("cidr", "%s overlaps %s, which the node uses between host and gateways", spec.CIDR, d.cfg.Transit)
	}
	unlock, err := d.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := d.record(ctx, spec)
	if err != nil {
		return err
	}
	if err := d.apply(ctx, st); err != nil {
		return fmt.Errorf("network %s: %w", spec.ID, err)
	}
	return nil
}

// Restore makes all recorded networks again, as after a reboot of the host. It
// goes on after an error and returns all of them.
func (d *Driver) Restore(ctx context.Context) error {
	var failed []string
	refs, err := d.List(ctx)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := d.restore(ctx, ref.ID); err != nil {
			failed = append(failed, err.Error())
		}
	}
	if len(failed) > 0 {
		return cloud.Errorf(cloud.Unavailable, "%d of %d networks could not be restored: %s", len(failed), len(refs), strings.Join(failed, "; "))
	}
	return nil
}

func (d *Driver) restore(ctx context.Context, id cloud.CloudspaceID) error {
	if err := ready(); err != nil {
		return err
	}
	unlock, err := d.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	st, ok, err := d.state(ctx, id)
	if err != nil || !ok {
		return err
	}
	return d.apply(ctx, st)
}

// apply makes what the state says. The host's rules come first: nothing is up
// before it is guarded.
func (d *Driver) apply(ctx context.Context, st state) error {
	if err := d.applyHost(ctx); err != nil {
		return err
	}
	if err := d.checkOwner(st.Spec); err != nil {
		return err
	}
	gw, err := d.ensureNamespace(st.names())
	if err != nil {
		return err
	}
	defer gw.Close()
	if err := d.ensureLinks(gw, st); err != nil {
		return err
	}
	if err := gw.do(func() error { return runNft(ctx, gatewayRules(st)) }); err != nil {
		return err
	}
	if err := d.ensureDnsmasq(ctx, gw, st); err != nil {
		return err
	}
	for mac, tap := range st.Taps {
		if err := d.ensureTap(st, tap, mac); err != nil {
			return err
		}
	}
	// Interfaces of the host may have come since the rules were made.
	if err := d.openForwarding(ctx); err != nil {
		return err
	}
	return d.revoke(ctx, gw, st)
}

// Delete removes everything of the network. Besides sal.Networks' errors:
// Denied without privileges.
func (d *Driver) Delete(ctx context.Context, ref wire.NetworkRef) error {
	if !cloud.IsID(string(ref.ID)) {
		return cloud.FieldErrorf("id", "%q is no network's id", ref.ID)
	}
	if err := ready(); err != nil {
		return err
	}
	unlock, err := d.lock(ctx, ref.ID)
	if err != nil {
		return err
	}
	defer unlock()
	st, ok, err := d.state(ctx, ref.ID)
	if err != nil {
		return err
	}
	spec := wire.NetworkSpec{ID: ref.ID, Number: ref.Number}
	if ok {
		spec = st.Spec
		st.Deleting = true // its rules go now; the record stays until nothing else does
		if err := d.save(ctx, st); err != nil {
			return err
		}
		if err := d.applyHost(ctx); err != nil {
			return err
		}
		for _, f := range spec.Forwards {
			if err := dropConnections(&netlink.Handle{}, f, st.Gateway.AsSlice()); err != nil {
				return err
			}
		}
	} else if !d.owns(spec) {
		return nil
	}
	if err := d.remove(namesOf(spec.Number)); err != nil {
		return fmt.Errorf("network %s: %w", ref.ID, err)
	}
	return d.forget(ctx, ref.ID)
}

// List returns the networks that are recorded, by number; also those that an
// interrupted Delete has left.
func (d *Driver) List(ctx context.Context) ([]wire.NetworkRef, error) {
	if err := d.host.take(ctx); err != nil {
		return nil, err
	}
	defer d.host.release()
	refs := make([]wire.NetworkRef, 0, len(d.networks))
	for _, st := range d.sorted() {
		refs = append(refs, wire.NetworkRef{ID: st.Spec.ID, Number: st.Spec.Number})
	}
	return refs, nil
}

// Attach makes the tap of a network card and plugs it into the bridge. The tap
// passes nothing until the network has a lease for the MAC. Errors: Invalid
// (mac), NotFound (network), Denied without privileges.
func (d *Driver) Attach(ctx context.Context, network cloud.CloudspaceID, mac string) (string, error) {
	hw, err := sal.ParseMAC(mac)
	if err != nil {
		return "", cloud.FieldErrorf("mac", "%v", err)
	}
	if err := ready(); err != nil {
		return "", err
	}
	unlock, err := d.lock(ctx, network)
	if err != nil {
		return "", err
	}
	defer unlock()
	st, ok, err := d.state(ctx, network)
	if err != nil {
		return "", err
	}
	if !ok || st.Deleting {
		return "", cloud.Errorf(cloud.NotFound, "network %s is not on this node: ensure it first", network)
	}
	tap, ok := st.Taps[hw.String()]
	if !ok {
		tap = st.freeTap(hw)
		st = st.withTap(hw, tap)
		if err := d.save(ctx, st); err != nil {
			return "", err
		}
	}
	if d.owns(st.Spec) {
		err = d.applyHost(ctx)
	} else {
		err = d.apply(ctx, st) // the host was restarted, or somebody removed the bridge
	}
	if err == nil {
		err = d.ensureTap(st, tap, hw.String())
	}
	if err != nil {
		return "", fmt.Errorf("attach %s to network %s: %w", mac, network, err)
	}
	return tap, nil
}

// Detach removes the tap of a network card.
func (d *Driver) Detach(ctx context.Context, network cloud.CloudspaceID, mac string) error {
	hw, err := sal.ParseMAC(mac)
	if err != nil {
		return cloud.FieldErrorf("mac", "%v", err)
	}
	if err := ready(); err != nil {
		return err
	}
	unlock, err := d.lock(ctx, network)
	if err != nil {
		return err
	}
	defer unlock()
	st, _, err := d.state(ctx, network)
	if err != nil {
		return err
	}
	tap, ok := st.Taps[hw.String()]
	if !ok {
		return nil
	}
	if err := removeLinks(tap); err != nil {
		return fmt.Errorf("detach %s from network %s: %w", mac, network, err)
	}
	if err := d.save(ctx, st.withTap(hw, "")); err != nil {
		return err
	}
	return d.applyHost(ctx)
}

// lock is a mutex whose waiters heed a context.
type lock chan struct{}

func (l lock) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) release() { <-l }

// lock takes the lock of one network.
func (d *Driver) lock(ctx context.Context, id cloud.CloudspaceID) (unlock func(), err error) {
	l, _ := d.locks.LoadOrStore(id, make(lock, 1))
	if err := l.(lock).take(ctx); err != nil {
		return nil, fmt.Errorf("network %s: %w", id, err)
	}
	return l.(lock).release, nil
}
