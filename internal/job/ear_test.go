package job

import (
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
)

func TestEar(t *testing.T) {
	const gap = 10 * time.Second
	for _, tt := range []struct {
		name  string
		sleep time.Duration
		set   time.Duration // the database's clock
		want  time.Duration
	}{
		{"goes on", gap, 0, time.Minute + gap},
		{"was frozen", gap + time.Second, 0, 0},
		{"clock set forward", time.Second, time.Hour, 0},
		{"clock set back", time.Second, -time.Hour, 0},
		{"clock adjusted", time.Second, time.Second, time.Minute + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e Ear
				if got := e.Listened(cloud.Now(), gap); got != 0 {
					t.Errorf("at the start it has listened for %s", got)
				}
				for range 12 {
					time.Sleep(gap / 2)
					e.Listened(cloud.Now(), gap)
				}
				time.Sleep(tt.sleep)
				if got := e.Listened(cloud.Now().Add(tt.set), gap); got != tt.want {
					t.Errorf("it has listened for %s, want %s", got, tt.want)
				}
			})
		})
	}
}
