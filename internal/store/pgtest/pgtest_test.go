package pgtest

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestDSN(t *testing.T) {
	a, b := connect(t, DSN(t)), connect(t, DSN(t))
	mustExec(t, a, "CREATE TABLE only_in_a (id TEXT PRIMARY KEY)")
	if _, err := b.Exec(t.Context(), "SELECT * FROM only_in_a"); err == nil {
		t.Error("the second database sees the table of the first, want two databases")
	}
	if got := setting(t, a, "fsync"); got != "off" {
		t.Errorf("fsync = %s on the shared server, want off", got)
	}
	if got := setting(t, a, "server_encoding"); got != "UTF8" {
		t.Errorf("server_encoding = %s, want UTF8", got)
	}
}

func TestDSNIsDropped(t *testing.T) {
	var dsn string
	t.Run("inner", func(t *testing.T) {
		dsn = DSN(t)
		if _, err := pgx.Connect(t.Context(), dsn); err != nil { // left open: the drop is forced
			t.Fatal(err)
		}
	})
	if _, err := pgx.Connect(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("connect after the test = %v, want SQLSTATE 3D000 (no such database)", err)
	}
}

func TestDurable(t *testing.T) {
	s, err := Start(Config{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("settings", func(t *testing.T) {
		c := connect(t, s.TCP(s.DSN(t)))
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			if got := setting(t, c, name); got != "on" {
				t.Errorf("%s = %s, want on", name, got)
			}
		}
	})
	t.Run("password", func(t *testing.T) {
		dsn := s.DSN(t)
		s := &Server{port: s.port, password: "wrong"}
		if _, err := pgx.Connect(t.Context(), s.TCP(dsn)); err == nil || !strings.Contains(err.Error(), "28P01") {
			t.Errorf("connect by TCP with a wrong password = %v, want SQLSTATE 28P01", err)
		}
	})
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder after Close: %v, want none", err)
	}
}

// childEnv makes the test binary a process that starts a server and waits to be killed.
const childEnv = "ATOLL_PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	s, err := Start(Config{})
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(s.dir + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// TestKilled kills a test process and waits until its server and folder are gone.
func TestKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(line)
	pid, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	server := filepath.Join("/proc", strings.SplitN(string(pid), "\n", 2)[0])

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"

	deadline := time.Now().Add(30 * time.Second)
	for _, path := range []string{dir, server} {
		for {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is still there 30 s after the test process was killed", path)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestBinDir(t *testing.T) {
	root := t.TempDir()
	if _, err := binDir(root); err == nil || !strings.Contains(err.Error(), "test/setup.sh") {
		t.Errorf("binDir(empty) = %v, want an error that names test/setup.sh", err)
	}
	for _, v := range []string{"9", "15", "common"} {
		bin := filepath.Join(root, v, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, "initdb"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := binDir(root); err != nil || got != filepath.Join(root, "15", "bin") {
		t.Errorf("binDir() = %s, %v, want version 15", got, err)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func mustExec(t *testing.T, c *pgx.Conn, query string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func setting(t *testing.T, c *pgx.Conn, name string) string {
	t.Helper()
	var v string
	if err := c.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&v); err != nil {
		t.Fatalf("setting %s: %v", name, err)
	}
	return v
}

func TestTemplate(t *testing.T) {
	fills := 0
	p := NewTemplate(func(dsn string) error {
		fills++
		c, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			return err
		}
		_, err = c.Exec(context.Background(), "CREATE TABLE filled (id TEXT)")
		return errors.Join(err, c.Close(context.Background()))
	})
	a, b := connect(t, p.DSN(t)), connect(t, p.DSN(t))
	mustExec(t, a, "INSERT INTO filled VALUES ('only in a')")
	var n int
	if err := b.QueryRow(t.Context(), "SELECT count(*) FROM filled").Scan(&n); err != nil || n != 0 || fills != 1 {
		t.Errorf("the second copy has %d rows, %v, and the template was filled %d times; want an empty copy of what was filled once", n, err, fills)
	}
}
