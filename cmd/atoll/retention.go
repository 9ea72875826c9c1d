package main

import (
	"strconv"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
)

// retentionConfig is the part "retention" of the configuration.
type retentionConfig struct {
	Jobs       keep `yaml:"jobs"`
	FailedJobs keep `yaml:"failed-jobs"`
	Successes  keep `yaml:"successes"`
	Output     keep `yaml:"output"`
	Operations keep `yaml:"operations"`
	Events     keep `yaml:"events"`
	Usage      keep `yaml:"usage"`
	Deleted    keep `yaml:"deleted"`
	// PageRevisions is a number: how many revisions of each page are kept.
	PageRevisions uint16 `yaml:"page-revisions"`
	Deliveries    keep   `yaml:"deliveries"`
}

func (r retentionConfig) control() control.Retention {
	return control.Retention{
		Jobs: time.Duration(r.Jobs), FailedJobs: time.Duration(r.FailedJobs), Successes: time.Duration(r.Successes), Output: time.Duration(r.Output),
		Operations: time.Duration(r.Operations), Events: time.Duration(r.Events), Usage: time.Duration(r.Usage), Deleted: time.Duration(r.Deleted),
		PageRevisions: int64(r.PageRevisions),
		Deliveries:    time.Duration(r.Deliveries),
	}
}

// keep is how long something is kept, in a file: 30d, 12h or forever.
type keep time.Duration

// maxKeep is the longest time in days; what is to be kept longer is kept forever.
const maxKeep = 36500

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *keep) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "forever" {
		*k = keep(control.Forever)
		return nil
	}
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); n > maxKeep {
			n = 0
		}
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d <= 0 || d > maxKeep*24*time.Hour {
		return cloud.FieldErrorf("retention", "%q is no time such as 30d or 12h, nor forever", s)
	}
	*k = keep(d)
	return nil
}
