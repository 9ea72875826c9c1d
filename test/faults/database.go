package faults

import (
	"sync"

	"atoll/internal/store/pgtest"
)

// database is a database of a PostgreSQL that this run alone uses and may kill.
type database struct {
	story  *story
	server *pgtest.Server
	dsn    string
	mu     sync.Mutex
	down   bool
}

// servers are those that no run uses at the moment.
var servers struct {
	mu   sync.Mutex
	free []*pgtest.Server
	used map[*pgtest.Server]int // how many databases each has
}

// maxDatabases is how many runs a server serves: its databases go with it.
const maxDatabases = 20

func borrowDatabase(s *story) (*database, error) {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	d := &database{story: s}
	if n := len(servers.free); n > 0 {
		d.server, servers.free = servers.free[n-1], servers.free[:n-1]
	} else {
		var err error
		if d.server, err = pgtest.Start(pgtest.Config{}); err != nil {
			return nil, err
		}
	}
	var err error
	d.dsn, err = d.server.Create()
	return d, err
}

// giveBack leaves the server to the next run.
func (d *database) giveBack() {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	if servers.used == nil {
		servers.used = map[*pgtest.Server]int{}
	}
	if servers.used[d.server]++; servers.used[d.server] < maxDatabases {
		servers.free = append(servers.free, d.server)
	} else if err := d.server.Close(); err != nil {
		d.story.bad("end PostgreSQL: %v", err)
	}
}

// kill ends the server as a crash does, start has it recover.
func (d *database) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return
	}
	d.story.note("kill the database")
	if err := d.server.Crash(); err != nil {
		d.story.bad("kill the database: %v", err)
	}
	d.down = true
}

func (d *database) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.down {
		return
	}
	if err := d.server.Recover(); err != nil {
		d.story.bad("start the database: %v", err)
	}
	d.story.note("the database is back")
	d.down = false
}
