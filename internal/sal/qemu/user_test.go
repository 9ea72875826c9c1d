package qemu

import (
	"testing"

	"github.com/google/uuid"

	"atoll/internal/cloud"
)

// Two machines of a node never have the same user id, though the one that they
// would have is the same; a restart of the agent changes none.
func TestUsersDoNotCollide(t *testing.T) {
	d := &Driver{machines: map[cloud.MachineID]*machine{}}
	add := func(user uint32) *machine {
		m := &machine{d: d, id: cloud.MachineID(uuid.NewString()), user: user}
		d.machines[m.id] = m
		return m
	}
	first, twin, last := add(0), add(0), add(lastUser)
	first.user = d.user(first)
	if first.user <= firstUser || first.user > lastUser || first.user != likelyUser(first.id) {
		t.Errorf("user %d for a machine alone", first.user)
	}
	twin.user = first.user // as a machine with the same hash would
	if got := d.user(twin); got != first.user+1 && got != firstUser+1 {
		t.Errorf("user %d beside %d", got, first.user)
	}
	if d.user(twin) != twin.user || d.user(first) != first.user {
		t.Error("a machine that starts again has another user id")
	}
	beside := add(lastUser)
	if got := d.user(beside); got != firstUser+1 || last.user != lastUser {
		t.Errorf("user %d after the last of the range", got)
	}
}
