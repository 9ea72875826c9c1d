package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// state is what is recorded of a network: what it should be, and what was
// chosen for it. Values are never changed in place.
type state struct {
	Spec wire.NetworkSpec `json:"spec"`
	// Slot is the number of its pair of transit addresses.
	Slot int64 `json:"slot"`
	// Host and Gateway are the transit addresses of the two ends of the uplink.
	Host    netip.Addr        `json:"host"`
	Gateway netip.Addr        `json:"gateway"`
	Taps    map[string]string `json:"taps,omitempty"` // by MAC
	// GoneLeases and GoneForwards are no longer wanted, but dnsmasq may know
	// the one and connections may use the other still.
	GoneLeases   []wire.Lease   `json:"gone_leases,omitempty"`
	GoneForwards []wire.Forward `json:"gone_forwards,omitempty"`
	Deleting     bool           `json:"deleting,omitempty"`
}

func (st state) names() names { return namesOf(st.Spec.Number) }

// gateway is the address of the gateway inside the network.
func (st state) gateway() netip.Prefix {
	p := netip.MustParsePrefix(st.Spec.CIDR)
	return netip.PrefixFrom(p.Addr().Next(), p.Bits())
}

// withTap returns the state with the tap of a MAC, or without it if tap is "".
func (st state) withTap(mac net.HardwareAddr, tap string) state {
	st.Taps = maps.Clone(st.Taps)
	if st.Taps == nil {
		st.Taps = map[string]string{}
	}
	st.Taps[mac.String()] = tap
	if tap == "" {
		delete(st.Taps, mac.String())
	}
	return st
}

// freeTap returns a name for the tap of a MAC. Only the last three bytes fit
// into a name: the letter tells apart the MACs that share them.
func (st state) freeTap(mac net.HardwareAddr) string {
	taken := slices.Collect(maps.Values(st.Taps))
	for letter := 't'; ; letter++ {
		name := fmt.Sprintf("%s%c%x", st.names().bridge, letter, []byte(mac[3:]))
		if !slices.Contains(taken, name) {
			return name
		}
	}
}

// record takes the specification over as what the network should be, if it may
// be so: nothing is changed when it is refused.
func (d *Driver) record(ctx context.Context, spec wire.NetworkSpec) (state, error) {
	if err := d.host.take(ctx); err != nil {
		return state{}, err
	}
	defer d.host.release()
	st, known := d.networks[spec.ID]
	old := st.Spec
	if known && spec.Generation < old.Generation {
		return st, cloud.Errorf(cloud.Conflict, "network %s has generation %d, and %d is older: read the cloudspace again", spec.ID, old.Generation, spec.Generation)
	}
	if known && spec.Number != old.Number {
		return st, fieldConflict("number", "network %s has number %d, which cannot become %d: delete it first", spec.ID, old.Number, spec.Number)
	}
	if err := d.checkNumber(spec); err != nil {
		return st, err
	}
	if err := d.checkPorts(old, spec); err != nil {
		return st, err
	}
	if !known {
		if err := d.chooseSlot(&st, spec.Number); err != nil {
			return st, err
		}
	}
	st.Spec, st.Deleting = spec, false
	st.GoneLeases = gone(slices.Concat(st.GoneLeases, old.Leases), spec.Leases)
	st.GoneForwards = gone(slices.Concat(st.GoneForwards, old.Forwards), spec.Forwards)
	return st, d.write(st)
}

// gone returns what was and is not any more, each once.
func gone[T comparable](was, is []T) []T {
	var out []T
	for _, v := range was {
		if !slices.Contains(is, v) && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (d *Driver) checkNumber(spec wire.NetworkSpec) error {
	for id, other := range d.networks {
		if id != spec.ID && other.Spec.Number == spec.Number {
			return fieldConflict("number", "%d is the number of network %s on this node", spec.Number, id)
		}
	}
	return d.checkOwner(spec)
}

// chooseSlot gives the network the first free pair of transit addresses,
// beginning at its number.
func (d *Driver) chooseSlot(st *state, number int64) error {
	taken := map[int64]bool{}
	for _, other := range d.networks {
		taken[other.Slot] = true
	}
	slots := int64(1) << (31 - d.cfg.Transit.Bits())
	for i := range slots {
		slot := (number + i) % slots
		if !taken[slot] {
			st.Slot = slot
			st.Host = nth(d.cfg.Transit, 2*slot)
			st.Gateway = st.Host.Next()
			return nil
		}
	}
	return cloud.Errorf(cloud.Capacity, "all %d pairs of transit addresses in %s are taken on this node", slots, d.cfg.Transit)
}

// state returns the record of a network.
func (d *Driver) state(ctx context.Context, id cloud.CloudspaceID) (state, bool, error) {
	if err := d.host.take(ctx); err != nil {
		return state{}, false, err
	}
	defer d.host.release()
	st, ok := d.networks[id]
	return st, ok, nil
}

// save replaces the record of a network.
func (d *Driver) save(ctx context.Context, st state) error {
	if err := d.host.take(ctx); err != nil {
		return err
	}
	defer d.host.release()
	return d.write(st)
}

// forget removes the record of a network, and what the last network leaves.
func (d *Driver) forget(ctx context.Context, id cloud.CloudspaceID) error {
	if err := d.host.take(ctx); err != nil {
		return err
	}
	defer d.host.release()
	if err := os.Remove(d.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(d.networks, id)
	if len(d.networks) == 0 {
		return d.closeForwarding()
	}
	return nil
}

// write puts the record on disk and in memory; the caller holds the host lock.
func (d *Driver) write(st state) error {
	body, err := json.MarshalIndent(st, "", "\t")
	if err != nil {
		return err
	}
	if err := writeFile(d.file(st.Spec.ID), body, 0o600); err != nil {
		return fmt.Errorf("record network %s: %w", st.Spec.ID, err)
	}
	d.networks[st.Spec.ID] = st
	return nil
}

func (d *Driver) file(id cloud.CloudspaceID) string {
	return filepath.Join(d.cfg.Data, string(id)+".json")
}

// sorted returns all records by number; the caller holds the host lock.
func (d *Driver) sorted() []state {
	return slices.SortedFunc(maps.Values(d.networks), func(a, b state) int { return int(a.Spec.Number - b.Spec.Number) })
}

func loadStates(dir string) (map[cloud.CloudspaceID]state, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	states := map[cloud.CloudspaceID]state{}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !cloud.IsID(id) {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		var st state
		if err := json.Unmarshal(body, &st); err != nil {
			return nil, fmt.Errorf("%s is damaged: restore it or move it away, the controller will send the network again: %w", filepath.Join(dir, e.Name()), err)
		}
		states[cloud.CloudspaceID(id)] = st
	}
	return states, nil
}

// writeFile replaces a file so that a crash leaves the old or the new content.
func writeFile(name string, body []byte, mode os.FileMode) error {
	tmp := name + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
