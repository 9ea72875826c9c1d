// Package pgtest gives tests a real PostgreSQL that needs no set-up: a private server from
// Debian's package, started by an ordinary user in a temporary folder, with a fresh database
// for each call. It serves tests and measurements: the product must never import it, and it never touches
// a server, a folder or a database that it did not create.
package pgtest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says what kind of server Start starts. The zero value is the fast one.
type Config struct {
	// Durable keeps fsync and synchronous commit on, for tests that kill the server and for
	// measurements. Without it a commit survives a killed server process, but not a lost host.
	Durable bool
}

// Server is one running PostgreSQL. It ends at Close, or with the process that started it,
// also when that process is killed.
type Server struct {
	dir      string // data, socket and log; removed at the end
	port     int
	password string // for TCP; the socket needs none, its folder is private
	bin      string
	attr     *syscall.SysProcAttr // of an ordinary user's processes
	n        atomic.Int64

	stdin io.Closer // the watchdog ends the server when this closes
	cmd   *exec.Cmd // the watchdog
}

// superuser is the one role of each server.
const superuser = "atoll"

var shared = sync.OnceValues(func() (*Server, error) { return Start(Config{}) })

// DSN returns the URL of a new, empty database on a fast server which all tests of the process
// share. The database is dropped when t ends. It fails t, with the way out, if PostgreSQL is
// not installed: a test is never skipped for that.
func DSN(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.DSN(t)
}

// Start starts a server. Callers that need the default one use DSN instead.
func Start(c Config) (*Server, error) {
	bin, err := binDir("/usr/lib/postgresql")
	if err != nil {
		return nil, err
	}
	// PostgreSQL cannot choose a free port by itself, and another process may take the one
	// found here before it does: then try another.
	for try := 1; ; try++ {
		s, err := start(bin, c)
		if err == nil || try == 5 || !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
}

var errPortTaken = errors.New("port taken")

func start(bin string, c Config) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base(c), "atoll-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, port: port, password: rand.Text(), bin: bin}
	if err := s.run(c); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		_ = s.Close()
		_ = os.RemoveAll(dir) // the watchdog did, if it came to life
		if strings.Contains(string(log), "could not create any TCP/IP sockets") {
			err = errPortTaken
		}
		return nil, fmt.Errorf("start PostgreSQL of %s in %s: %w\n%s", bin, dir, err, log)
	}
	return s, nil
}

// run starts the watchdog and waits until it says that the server answers.
func (s *Server) run(c Config) error {
	if err := os.WriteFile(filepath.Join(s.dir, "password"), []byte(s.password), 0o600); err != nil {
		return err
	}
	var err error
	if s.attr, err = ordinaryUser(s.dir); err != nil {
		return err
	}
	s.cmd = exec.Command("/bin/sh", "-c", watchdog, "atoll-pgtest", s.bin, s.dir, superuser, s.settings(c))
	s.cmd.Dir = s.dir
	s.cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"} // no PGDATA, PGPORT, … of the caller
	s.cmd.SysProcAttr = s.attr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.stdin = in
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	if line != "ready\n" {
		return errors.New(strings.TrimSpace(line))
	}
	return nil
}

// settings returns the lines that are added to postgresql.conf.
func (s *Server) settings(c Config) string {
	lines := []string{
		"listen_addresses = '127.0.0.1'",
		fmt.Sprintf("port = %d", s.port),
		fmt.Sprintf("unix_socket_directories = '%s'", s.dir),
		"max_connections = 200",
		"max_wal_size = '128MB'", // the folder may be in memory
		"shared_buffers = '64MB'",
		"timezone = 'UTC'",
	}
	if !c.Durable {
		lines = append(lines, "fsync = off", "full_page_writes = off")
	}
	return strings.Join(lines, "\n")
}

// DSN returns the URL of a new, empty database, reached by the Unix socket. The database is
// dropped when t ends, also if connections to it were left open.
func (s *Server) DSN(t testing.TB) string {
	t.Helper()
	return s.copyOf(t, "template0")
}

func (s *Server) copyOf(t testing.TB, template string) string {
	t.Helper()
	name, err := s.create(template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
	return s.url(name)
}

// Create returns the URL of a new, empty database, which goes with the server: for
// measurements, which are no tests.
func (s *Server) Create() (dsn string, err error) {
	name, err := s.create("template0")
	return s.url(name), err
}

func (s *Server) create(template string) (name string, err error) {
	name = fmt.Sprintf("test_%d", s.n.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	return name, nil
}

// Template is a database on the server of the process that is filled once and copied for each
// test, which is quicker than to fill each.
type Template struct {
	name func() (string, error)
}

// NewTemplate returns a template that fill makes of an empty database when it is needed. It
// must leave no connection open.
func NewTemplate(fill func(dsn string) error) *Template {
	return &Template{sync.OnceValues(func() (string, error) {
		s, err := shared()
		if err != nil {
			return "", err
		}
		name, err := s.create("template0")
		if err != nil {
			return "", err
		}
		return name, fill(s.url(name))
	})}
}

// DSN returns the URL of a new copy of the template. It is dropped when t ends.
func (p *Template) DSN(t testing.TB) string {
	t.Helper()
	name, err := p.name()
	if err != nil {
		t.Fatal(err)
	}
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.copyOf(t, name)
}

// Crash ends the server at once, as a crash of it does.
// It ends all connections.
func (s *Server) Crash() error { return s.control("-m", "immediate", "stop") }

// Kill ends all processes of the server with SIGKILL, as when memory is short.
func (s *Server) Kill() error {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(line)
	if err != nil {
		return err
	}
	list := append([]int{postmaster}, children(postmaster)...) // the first, so that it starts none anew
	for _, pid := range list {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	for deadline := time.Now().Add(10 * time.Second); slices.ContainsFunc(list, alive); {
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL %d lives 10 s after SIGKILL", postmaster)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
	// Whoever started it may not have taken note of its end, and then it seems to live.
	return errors.Join(os.Remove(filepath.Join(s.dir, "data", "postmaster.pid")),
		os.Remove(filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d.lock", s.port))))
}

// parentAndState reads them from the line that the kernel has on a process.
func parentAndState(pid string) (parent, state string) {
	line, _ := os.ReadFile(filepath.Join("/proc", pid, "stat")) // it may be gone
	_, rest, _ := strings.Cut(string(line), ") ")
	if fields := strings.Fields(rest); len(fields) > 1 {
		state, parent = fields[0], fields[1]
	}
	return parent, state
}

func children(of int) (list []int) {
	entries, _ := os.ReadDir("/proc") // Linux has it
	for _, e := range entries {
		if parent, _ := parentAndState(e.Name()); parent == strconv.Itoa(of) {
			if pid, err := strconv.Atoi(e.Name()); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}

func alive(pid int) bool {
	_, state := parentAndState(strconv.Itoa(pid))
	return state != "" && state != "Z"
}

// Recover starts a server that Crash or Kill has ended and waits until it answers.
func (s *Server) Recover() error {
	err := s.control("-l", filepath.Join(s.dir, "log"), "-t", "60", "start")
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log")) // what there is helps
		err = fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
	}
	return err
}

func (s *Server) control(args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, "pg_ctl"), append([]string{"-s", "-w", "-D", filepath.Join(s.dir, "data")}, args...)...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, s.attr
	if err := cmd.Run(); err != nil { // its output goes nowhere: the server would keep a pipe open
		return fmt.Errorf("pg_ctl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// TCP returns the form of a DSN of this server that goes through 127.0.0.1 and a password, for
// tests that put a relay between a client and the server.
func (s *Server) TCP(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err) // not from DSN: a mistake in the test
	}
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	u.User = url.UserPassword(superuser, s.password)
	u.RawQuery = url.Values{"sslmode": {"disable"}}.Encode()
	return u.String()
}

// Close ends the server, waits for its end and removes its folder.
func (s *Server) Close() error {
	if s.stdin == nil {
		return nil
	}
	_ = s.stdin.Close()
	s.stdin = nil
	return s.cmd.Wait()
}

func (s *Server) url(database string) string {
	return (&url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Path:   "/" + database,
		RawQuery: url.Values{
			"host":    {s.dir},
			"port":    {strconv.Itoa(s.port)},
			"sslmode": {"disable"},
		}.Encode(),
	}).String()
}

func (s *Server) exec(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, query)
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
