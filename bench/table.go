package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"atoll/bench/report"
)

// results are the figures of each benchmark, as it printed them.
type results map[string]any

// get returns a figure of a benchmark.
func (r results) get(benchmark, key string) (float64, bool) {
	figures, ok := r[benchmark].(map[string]any)
	if !ok {
		return 0, false
	}
	v, ok := figures[key].(float64)
	return v, ok
}

// peers are the peers' figures; none if they were not measured.
func (r results) peers() []any {
	list, _ := r["peers"].([]any)
	return list
}

// peer returns a figure of a peer, and its name with its durability setting.
func (r results) peer(name, key string) (what string, v float64) {
	for _, p := range r.peers() {
		figures, _ := p.(map[string]any)
		if text := fmt.Sprintf("%v, %v", figures["peer"], figures["durability"]); strings.HasPrefix(text, name) {
			v, _ = figures[key].(float64)
			return text, v
		}
	}
	return "", 0
}

// The peers as their figures begin.
const (
	river       = "River"
	asynq       = "asynq on Redis, appendfsync everysec"
	asynqAlways = "asynq on Redis, appendfsync always"
	nats        = "NATS"
)

// aim is what a figure should be: at least, at most, or nothing.
type aim struct {
	least, most float64
	ratio       bool // of the ratio
}

// line is one line of the table: a figure of a benchmark, and what it is compared
// with: a peer's figure of the same key, or another figure of a benchmark.
type line struct {
	what, benchmark, key, unit string
	peer                       string
	limit                      string // key of the limit
	limitName                  string
	aim                        aim
}

var lines = []line{
	{what: "No-op jobs, SQLite", benchmark: "jobs", key: "jobs_per_s", unit: "/s", peer: asynq, aim: aim{least: 30000}},
	{what: "", benchmark: "jobs", key: "jobs_per_s", unit: "/s", peer: asynqAlways},
	{what: "", benchmark: "jobs", key: "jobs_per_s", unit: "/s", peer: nats},
	{what: "One job when idle, p50", benchmark: "jobs", key: "idle_p50_ms", unit: "ms", peer: asynq, aim: aim{most: 1}},
	{what: "", benchmark: "jobs", key: "idle_p50_ms", unit: "ms", peer: nats},
	{what: "One job when idle, p99", benchmark: "jobs", key: "idle_p99_ms", unit: "ms", peer: asynq, aim: aim{most: 4}},
	{what: "", benchmark: "jobs", key: "idle_p99_ms", unit: "ms", peer: nats},
	{what: "No-op jobs, PostgreSQL", benchmark: "jobs-postgres", key: "jobs_per_s", unit: "/s", peer: river, aim: aim{least: 1, ratio: true}},
	{what: "One job when idle, PostgreSQL, p50", benchmark: "jobs-postgres", key: "idle_p50_ms", unit: "ms", peer: river},
	{what: "One job when idle, PostgreSQL, p99", benchmark: "jobs-postgres", key: "idle_p99_ms", unit: "ms", peer: river},
	{
		what: "No-op jobs, 2 million finished ones stored", benchmark: "jobs-history", key: "jobs_per_s", unit: "/s",
		limit: "empty_jobs_per_s", limitName: "none stored", aim: aim{least: 0.9, ratio: true},
	},
	{
		what: "Scripts on one node", benchmark: "exec", key: "scripts_per_s", unit: "/s",
		limit: "fork_exec_limit_per_s", limitName: "bare fork and exec", aim: aim{least: 0.8, ratio: true},
	},
	{what: "Page of 100 of 20,000 machines, p50", benchmark: "list", key: "page_p50_ms", unit: "ms"},
	{what: "Page of 100 of 20,000 machines, p99", benchmark: "list", key: "page_p99_ms", unit: "ms", aim: aim{most: 10}},
	{what: "The same, PostgreSQL, p99", benchmark: "list-postgres", key: "page_p99_ms", unit: "ms", aim: aim{most: 10}},
	{what: "10,000 agents: all connected", benchmark: "fanout", key: "connect_s", unit: "s"},
	{what: "10,000 agents: controller's memory each", benchmark: "fanout", key: "kb_per_agent", unit: "KiB", aim: aim{most: 30}},
	{what: "10,000 agents: no-op on all of them", benchmark: "fanout", key: "fanout_s", unit: "s", aim: aim{most: 2}},
	{what: "10,000 agents: a command on all of them, as a run", benchmark: "fanout", key: "run_s", unit: "s"},
	{what: "1,000 deployments: request to config_check, p50", benchmark: "deployments", key: "config_check_p50_ms", unit: "ms"},
	{what: "1,000 deployments: request to config_check, p99", benchmark: "deployments", key: "config_check_p99_ms", unit: "ms", aim: aim{most: 50}},
	{what: "1,000 deployments: age of the last check, p99", benchmark: "deployments", key: "check_age_p99_s", unit: "s"},
	{what: "1,000 deployments: age of the last check, oldest", benchmark: "deployments", key: "check_age_max_s", unit: "s", aim: aim{most: 30}},
	{what: "1,000 deployments: jobs of checks that are kept", benchmark: "deployments", key: "check_jobs_kept", unit: "rows", aim: aim{most: 6000}},
	{what: "1,000 deployments: page of a search, p99", benchmark: "deployments", key: "list_p99_ms", unit: "ms", aim: aim{most: 20}},
	{what: "New process answers at its URL, p50", benchmark: "deployments", key: "reachable_p50_s", unit: "s", aim: aim{most: 2}},
	{what: "Machine create, request to QEMU process, p50", benchmark: "machine", key: "create_overhead_ms_p50", unit: "ms", aim: aim{most: 300}},
	{what: "Ready on an empty folder", benchmark: "footprint", key: "ready_ms", unit: "ms", aim: aim{most: 1000}},
	{what: "Resident when idle, one agent", benchmark: "footprint", key: "idle_rss_mb", unit: "MiB", aim: aim{most: 100}},
	{what: "Binary, stripped", benchmark: "footprint", key: "binary_mb", unit: "MiB", aim: aim{most: 50}},
}

// table is the table in Markdown.
func (r results) table() string {
	rows := [][]string{{"Measured", "Atoll", "Peer or limit", "Its figure", "Ratio", "Aim", ""}}
	for _, l := range lines {
		v, ok := r.get(l.benchmark, l.key)
		if !ok || l.what == "" && len(r.peers()) == 0 {
			continue
		}
		name, other := l.limitName, 0.0
		if l.limit != "" {
			other, _ = r.get(l.benchmark, l.limit)
		} else if l.peer != "" {
			name, other = r.peer(l.peer, l.key)
		}
		row := []string{l.what, number(v) + " " + l.unit, name, "", "", l.aim.String(), ""}
		ratio := 0.0
		if other > 0 {
			ratio = v / other
			row[3], row[4] = number(other)+" "+l.unit, fmt.Sprintf("%.2f", ratio)
		}
		row[6] = l.aim.verdict(v, ratio)
		rows = append(rows, row)
	}
	return markdown(rows)
}

func (a aim) String() string {
	of := ""
	if a.ratio {
		of = "ratio "
	}
	switch {
	case a.least > 0:
		return of + "≥ " + number(a.least)
	case a.most > 0:
		return of + "≤ " + number(a.most)
	}
	return ""
}

func (a aim) verdict(v, ratio float64) string {
	if a.ratio {
		v = ratio
	}
	switch {
	case a == aim{} || a.ratio && ratio == 0:
		return ""
	case v >= a.least && (a.most == 0 || v <= a.most):
		return "met"
	}
	return "missed"
}

// number has about three digits, and a comma behind thousands.
func number(v float64) string {
	digits := 2
	switch {
	case v >= 1000:
		n := int64(v + 0.5)
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	case v >= 100:
		digits = 0
	case v >= 10:
		digits = 1
	}
	return strconv.FormatFloat(report.Round(v, digits), 'f', -1, 64)
}

// markdown aligns the rows, the first of which is the head.
func markdown(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for i, row := range rows {
		for j, c := range row {
			fmt.Fprintf(&b, "| %-*s ", width[j], c)
		}
		b.WriteString("|\n")
		if i == 0 {
			for _, w := range width {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}
