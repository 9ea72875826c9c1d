package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/internal/control"
)

func TestRetentionOfTheConfiguration(t *testing.T) {
	read := func(text string) (control.Retention, error) {
		file := filepath.Join(t.TempDir(), "server.yaml")
		if err := os.WriteFile(file, []byte("data: /x\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := readConfig(file)
		return cfg.Retention.control(), err
	}
	const day = 24 * time.Hour
	for text, want := range map[string]control.Retention{
		"":                          {},
		"retention: {jobs: 2d}":     {Jobs: 2 * day},
		"retention: {deleted: 10d}": {Deleted: 10 * day},
		"retention: {events: 400d, operations: 36h, output: forever}": {Events: 400 * day, Operations: 36 * time.Hour, Output: control.Forever},
		"retention: {failed-jobs: 90d, successes: 10m}":               {FailedJobs: 90 * day, Successes: 10 * time.Minute},
	} {
		if got, err := read(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	if _, err := read("job-days: 7"); err == nil || !strings.Contains(err.Error(), "job-days") {
		t.Errorf("job-days, which is gone: %v, want a refusal", err)
	}
	for _, text := range []string{"0", "-1d", "1.5d", "30", "d", "99999999999999d", "40000d", "ever", "''"} {
		if _, err := read("retention: {jobs: " + text + "}"); err == nil || !strings.Contains(err.Error(), "30d or 12h") {
			t.Errorf("jobs: %s: %v, want a refusal that says how", text, err)
		}
	}
}
