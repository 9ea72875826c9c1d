package demo

import "atoll/api"

// mark is how the accounts of the demo data are told from others.
const mark = "Demo data: "

type account struct {
	name, about string
	limits      map[string]int64
	spaces      []string // cloudspaces
}

var accounts = []account{
	{"acme", "web shop", map[string]int64{"machines": 40, "vcpus": 96, "memory_mib": 196608, "disk_gib": 2000, "deployments": 20}, []string{"production", "staging"}},
	{"globex", "analytics", map[string]int64{"machines": 25, "vcpus": 64, "memory_mib": 131072}, []string{"warehouse", "lab"}},
	{"initech", "office software", map[string]int64{"machines": 20, "vcpus": 32}, []string{"production"}},
}

type person struct {
	name, full, role string            // role on the installation
	on               map[string]string // account to role
}

var people = []person{
	{"grace", "Grace Hopper", "operator", nil},
	{"margaret", "Margaret Hamilton", "support", nil},
	{"edsger", "Edsger Dijkstra", "billing", nil},
	{"ada", "Ada Lovelace", "", map[string]string{"acme": "admin"}},
	{"alan", "Alan Turing", "", map[string]string{"acme": "writer", "globex": "reader"}},
	{"barbara", "Barbara Liskov", "", map[string]string{"acme": "reader"}},
	{"donald", "Donald Knuth", "", map[string]string{"globex": "admin"}},
	{"radia", "Radia Perlman", "", map[string]string{"globex": "writer", "initech": "writer"}},
	{"dennis", "Dennis Ritchie", "", map[string]string{"initech": "admin"}},
	{"frances", "Frances Allen", "", map[string]string{"initech": "reader"}},
}

var images = []struct{ name, about, user string }{
	{"debian-12", "Demo data: an empty disk under this name, for simulated nodes", "debian"},
	{"ubuntu-24.04", "Demo data: an empty disk under this name, for simulated nodes", "ubuntu"},
	{"alpine-3.22", "Demo data: an empty disk under this name, for simulated nodes", "alpine"},
}

// machines are groups: n machines called prefix-1, …, of which the last stopped are
// stopped.
var machines = []struct {
	account, space, prefix, image, size string
	n, stopped                          int
}{
	{"acme", "production", "web", "debian-12", "small", 6, 0},
	{"acme", "production", "db", "debian-12", "small", 3, 0},
	{"acme", "production", "cache", "alpine-3.22", "tiny", 2, 0},
	{"acme", "production", "mail", "debian-12", "small", 1, 0},
	{"acme", "staging", "web", "debian-12", "tiny", 3, 1},
	{"acme", "staging", "db", "debian-12", "tiny", 1, 0},
	{"globex", "warehouse", "worker", "ubuntu-24.04", "small", 8, 2},
	{"globex", "warehouse", "scheduler", "ubuntu-24.04", "tiny", 1, 0},
	{"globex", "lab", "notebook", "ubuntu-24.04", "small", 4, 3},
	{"initech", "production", "app", "debian-12", "small", 5, 0},
	{"initech", "production", "report", "alpine-3.22", "tiny", 4, 2},
	{"initech", "production", "legacy", "debian-12", "tiny", 2, 2},
}

var forwards = []struct {
	account, space, machine string
	public, port            int64
}{
	{"acme", "production", "web-1", 8443, 443},
	{"acme", "production", "web-2", 8444, 443},
	{"acme", "production", "mail-1", 2525, 25},
	{"acme", "staging", "web-1", 9443, 443},
	{"globex", "warehouse", "scheduler-1", 9000, 9000},
	{"initech", "production", "app-1", 10443, 443},
}

var keys = []struct{ account, name, key string }{
	{"acme", "ada", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada@acme"},
	{"globex", "donald", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti donald@globex"},
}

// project is a product of acme. Its control scripts are those of the bundle
// builtin:process, which simulated nodes do not execute: they end as the keys sim.…
// of a deployment say, so each state is one that a real deployment can have.
var project = struct{ account, name, domain, about string }{"acme", "shop", "staging.acme.example", "Demo data: the web shop, a deployment for each branch"}

var deployments = []struct {
	name, comment string
	labels        map[string]string
	config        []api.Override
	archive       bool
}{
	{"main", "what is released next", map[string]string{"team": "shop"}, nil, false},
	{"checkout-redesign", "new checkout in two steps", map[string]string{"team": "checkout"}, nil, false},
	{"search-suggestions", "suggestions while typing", map[string]string{"team": "search"}, nil, false},
	{"faster-images", "images as AVIF", map[string]string{"team": "shop"}, nil, false},
	{"new-payment", "its migration fails", map[string]string{"team": "checkout"}, []api.Override{{Key: "sim.create.exit", Value: "1"}}, false},
	{"summer-sale", "over", map[string]string{"team": "shop"}, nil, true},
	{"old-header", "merged", map[string]string{"team": "shop"}, nil, true},
}

var scripts = []struct{ name, text string }{
	{"uptime", "#!/bin/sh\n# description: how long it is up, and its load\n# kind: health\n# timeout: 10s\nuptime\n"},
	{"disk-health", "#!/bin/sh\n# description: file systems that are nearly full\n# kind: health\n# timeout: 30s\ndf -h\n"},
}

var schedules = []api.ScheduleCreate{
	{Name: "kernel-versions", Command: []string{"uname", "-a"}, All: true, Every: "1h"},
	{Name: "nightly-hello", Command: []string{"echo", "good night"}, Role: "compute", Cron: "0 3 * * *", TimeZone: "Europe/Brussels", Paused: true},
}

var runs = []api.RunCreate{
	{Command: []string{"uname", "-r"}, All: true},
	{Command: []string{"echo", "maintenance window begins"}, Role: "compute", Batch: "25%"},
	{Script: "uptime", Role: "storage"}, // fails on simulated nodes, which execute no scripts
}
