package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"atoll/api"
	"atoll/client"
	"atoll/internal/sal/saltest"
)

// setup is what a seed's installation is made of.
type setup struct {
	postgres    bool
	controllers int
	clocks      bool // clocks may be wrong
	smallDisk   string
	metal       bool          // machines are real
	infancy     time.Duration // the first controller is killed so long after its first start; 0 for not
}

// world is the installation of one run.
type world struct {
	*story
	setup
	bin, dir    string
	host        string // the address on loopback that the run has for itself
	controllers []*process
	agents      []*process // on this host, without machines
	hosts       *process   // has the machines: simulated nodes, or this host
	ports       int64      // the first of 40 public ports that the run has for itself
	people      []*relay   // to each controller
	wires       map[*process][]*relay
	disks       map[*process]*disk
	database    *database // PostgreSQL; nil for SQLite
	troubled    atomic.Int32
	token       string
	clients     sync.Map // by address and token
	image       string
}

const (
	lease   = "1s"
	offline = "1s"
	nAgents = 2
	nSims   = 2
	simRush = 50 // simulated nodes do everything that much faster
)

// worlds numbers the runs: each has an address of its own, so that the ports of a
// process that is down stay free.
var worlds atomic.Int32

func newWorld(s *story, bin, dir string, set setup) (*world, error) {
	n := worlds.Add(1)
	w := &world{
		story: s, setup: set, bin: bin, dir: dir, wires: map[*process][]*relay{}, disks: map[*process]*disk{},
		ports: 20000 + 40*int64(n%200),
		host:  fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%200, 1+n/250, 1+n%250),
	}
	return w, w.open()
}

func (w *world) open() (err error) {
	if w.postgres {
		if w.database, err = borrowDatabase(w.story); err != nil {
			return err
		}
	}
	for i := range w.setup.controllers {
		if err := w.addController(i); err != nil {
			return err
		}
	}
	w.controllers[0].start()
	if w.infancy > 0 {
		time.Sleep(w.infancy) // its moment
		w.controllers[0].kill()
		w.controllers[0].start()
	}
	if err := w.connect(); err != nil {
		return err
	}
	for _, c := range w.controllers[1:] {
		c.start()
	}
	return w.addNodes()
}

func (w *world) address(port int) string { return net.JoinHostPort(w.host, fmt.Sprint(port)) }

func (w *world) process(name string, args ...string) *process {
	return &process{
		name: name, story: w.story, bin: w.bin, args: args, log: filepath.Join(w.dir, name+".log"),
		excused: func() bool { return w.troubled.Load() > 0 },
	}
}

// addController makes a controller and the relay by which people reach it.
func (w *world) addController(i int) error {
	name := fmt.Sprintf("controller-%d", i+1)
	data := filepath.Join(w.dir, name)
	config := fmt.Sprintf("listen: %s\nagent-listen: %s\ndata: %s\nkey-file: %s\nblobs: file://%s\nblobs-shared: true\nlease: %s\nnode-offline: %s\n",
		w.address(8080+i), w.address(8443+i), data, filepath.Join(w.dir, "master.key"), filepath.Join(w.dir, "controller-1", "blobs"), lease, offline)
	if w.database != nil {
		config += "database: " + w.database.dsn + "\n"
	}
	file := filepath.Join(w.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	p := w.process(name, "server", "--config", file)
	w.controllers = append(w.controllers, p)
	if err := w.addDisk(p, 160); err != nil {
		return err
	}
	r, err := newRelay(w.story, "people's way to "+name, w.address(7000+i), w.address(8080+i))
	if err != nil {
		return err
	}
	w.people = append(w.people, r)
	return nil
}

// addDisk gives the process a small disk if the seed says so.
func (w *world) addDisk(p *process, mib int) (err error) {
	if w.smallDisk == p.name {
		w.disks[p], err = mountDisk(w.story, p.name, filepath.Join(w.dir, p.name), mib)
	}
	return err
}

// addNodes makes the agents and the simulated nodes, each with a way of its own
// to each controller, and waits until all are online.
func (w *world) addNodes() error {
	hands, err := w.joinToken("runner", "boot")
	if err != nil {
		return err
	}
	for i := range nAgents {
		name := fmt.Sprintf("agent-%d", i+1)
		p := w.process(name)
		urls, err := w.ways(p, 9000+10*i)
		if err != nil {
			return err
		}
		p.args = []string{"agent", "--server", urls, "--token-file", hands, "--data", filepath.Join(w.dir, name), "--name", name, "--no-machines"}
		w.agents = append(w.agents, p)
		if err := w.addDisk(p, 4); err != nil {
			return err
		}
		p.start()
	}
	machines, err := w.joinToken("compute", "network", "storage")
	if err != nil {
		return err
	}
	name := "sim"
	if w.metal {
		name = "metal"
	}
	w.hosts = w.process(name)
	urls, err := w.ways(w.hosts, 9800)
	if err != nil {
		return err
	}
	if w.metal {
		w.hosts.args = []string{"agent", "--server", urls, "--token-file", machines, "--data", filepath.Join(w.dir, name), "--name", name}
	} else {
		w.hosts.args = []string{"sim", "--server", urls, "--token-file", machines, "--nodes", fmt.Sprint(nSims), "--speed", fmt.Sprint(simRush)}
	}
	w.hosts.start()
	return w.until("all nodes are online", patience, w.allOnline)
}

// hostNames are the nodes that have machines.
func (w *world) hostNames() []string {
	if w.metal {
		return []string{"metal"}
	}
	var names []string
	for i := range nSims {
		names = append(names, fmt.Sprintf("sim-%d", i+1))
	}
	return names
}

// ways makes the relays from a process to the controllers.
func (w *world) ways(p *process, port int) (string, error) {
	var urls []string
	for i, c := range w.controllers {
		r, err := newRelay(w.story, p.name+"'s way to "+c.name, w.address(port+i), w.address(8443+i))
		if err != nil {
			return "", err
		}
		w.wires[p] = append(w.wires[p], r)
		urls = append(urls, "https://"+w.address(port+i))
	}
	return strings.Join(urls, ","), nil
}

func (w *world) joinToken(roles ...string) (file string, err error) {
	t, err := w.direct(0).JoinTokens().Create(context.Background(), api.JoinTokenCreate{Uses: 1000, TTL: "24h", Roles: roles})
	if err != nil {
		return "", err
	}
	file = filepath.Join(w.dir, roles[0]+".token")
	return file, os.WriteFile(file, []byte(t.Object.Secret), 0o600)
}

// connect waits for the first controller, and gives it an image.
func (w *world) connect() error {
	err := w.until("the controller is ready", 30*time.Second, func() error {
		token, err := os.ReadFile(filepath.Join(w.dir, "controller-1", "admin.token"))
		if err != nil {
			return err
		}
		w.token = strings.TrimSpace(string(token))
		_, err = w.direct(0).Nodes().List(context.Background(), client.ListOptions{Limit: 1})
		return err
	})
	if err != nil {
		return err
	}
	file, _ := saltest.RawImage([]byte{0xfa, 0xf4, 0xeb, 0xfd}) // cli; hlt; jmp to hlt: a guest that does nothing
	image, err := w.direct(0).Images().Upload(context.Background(), client.Upload{Name: "disk"}, bytes.NewReader(file))
	if err != nil {
		return err
	}
	w.image = image.Object.ID
	return nil
}

// direct is a client of the controller that no fault of the network meets.
func (w *world) direct(i int) *client.Client { return w.client(w.address(8080 + i)) }

func (w *world) client(address string) *client.Client {
	key := address + " " + w.token
	if c, ok := w.clients.Load(key); ok {
		return c.(*client.Client)
	}
	c, err := client.New(client.Config{URL: "http://" + address, Token: w.token})
	if err != nil {
		panic(err) // the address is ours
	}
	w.clients.Store(key, c)
	return c
}

func (w *world) allOnline() error {
	online := 0
	for n, err := range w.direct(0).Nodes().All(context.Background(), client.ListOptions{}) {
		if err != nil {
			return err
		}
		if n.State == "online" {
			online++
		}
	}
	if want := nAgents + len(w.hostNames()); online < want {
		return fmt.Errorf("%d of %d", online, want)
	}
	return nil
}

// until tries until it finds no error, for at most limit.
func (w *world) until(what string, limit time.Duration, try func() error) error {
	var err error
	begin := time.Now()
	tell := begin.Add(2 * time.Second)
	for time.Since(begin) < limit {
		if err = try(); err == nil {
			return nil
		}
		if time.Now().After(tell) {
			w.note("still not: %s: %v", what, err)
			tell = tell.Add(2 * time.Second)
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	return fmt.Errorf("not within %s: %s: %w", limit, what, err)
}

// processes are all that are killed.
func (w *world) processes() []*process {
	all := append([]*process{}, w.controllers...)
	all = append(all, w.agents...)
	if w.hosts != nil {
		all = append(all, w.hosts)
	}
	return all
}

// heal takes all faults away.
func (w *world) heal() {
	w.note("heal")
	for _, d := range w.disks {
		d.empty()
	}
	if w.database != nil {
		w.database.start()
	}
	for _, r := range w.relays() {
		r.restore()
	}
	for _, p := range w.processes() {
		p.thaw()
		p.start()
	}
}

func (w *world) relays() []*relay {
	all := append([]*relay{}, w.people...)
	for _, list := range w.wires {
		all = append(all, list...)
	}
	return all
}

// close ends everything, however it stands.
func (w *world) close() {
	var all sync.WaitGroup
	for _, p := range w.processes() {
		all.Go(p.close)
	}
	all.Wait()
	for _, r := range w.relays() {
		r.close()
	}
	for _, d := range w.disks {
		if err := d.unmount(); err != nil {
			w.bad("unmount %s: %v", d.dir, err)
		}
	}
	if w.database != nil {
		w.database.giveBack()
	}
}

func (w *world) logs() []string {
	var files []string
	for _, p := range w.processes() {
		files = append(files, p.log)
	}
	return files
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
