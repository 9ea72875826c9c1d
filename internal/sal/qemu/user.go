package qemu

import (
	"hash/fnv"

	"atoll/internal/cloud"
)

// The user ids of QEMU processes: firstUser for the probe, the others for a
// machine each. systemd's table of user ids leaves the range unused.
const (
	firstUser = 0x70000000
	lastUser  = 0x70ffffff
)

// likelyUser is the user id that the machine has if no other one has it. A machine
// that an earlier agent started without a note of its user id has this one.
func likelyUser(id cloud.MachineID) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return firstUser | h.Sum32()&0xffffff
}

// user gives the machine the user id that it starts with, which no other machine
// of the node has.
func (d *Driver) user(m *machine) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := map[uint32]bool{firstUser: true}
	for _, other := range d.machines {
		if other != m {
			taken[other.user] = true
		}
	}
	if m.user == 0 {
		m.user = likelyUser(m.id)
	}
	for taken[m.user] {
		if m.user++; m.user > lastUser {
			m.user = firstUser
		}
	}
	return m.user
}
