package cloud

import "testing"

func TestActionNumber(t *testing.T) {
	var before int64
	for range 1000 {
		id := NewID[ActionID]()
		n := id.Number()
		first, last := ActionsNumbered(n)
		if n <= before || first > id || last < id || first.Number() != n || last.Number() != n {
			t.Fatalf("%s has the number %d after %d; ids of it are %s to %s", id, n, before, first, last)
		}
		before = n
	}
	if n := ActionID("x").Number(); n != 0 {
		t.Errorf("what is no id has the number %d", n)
	}
}
