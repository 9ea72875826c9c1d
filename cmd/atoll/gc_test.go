package main

import "testing"

func TestGarbagePercent(t *testing.T) {
	for _, c := range []struct {
		live  uint64
		quiet bool
		want  int
	}{
		{0, false, 100}, // before the first collection
		{16 << 20, false, 300},
		{64 << 20, false, 100},
		{1 << 30, false, 100},
		{16 << 20, true, 50},
		{1 << 30, true, 50},
	} {
		if got := garbagePercent(c.live, c.quiet); got != c.want {
			t.Errorf("garbagePercent(%d, %v) = %d, want %d", c.live, c.quiet, got, c.want)
		}
	}
}
