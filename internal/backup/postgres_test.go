package backup

import (
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/pgtest"
)

func TestPostgresCommands(t *testing.T) {
	for _, tt := range []struct{ dsn, want string }{
		{"postgres://me:geheim@db.example:5433/atoll?sslmode=verify-full&pool_max_conns=9", "'postgres://me@db.example:5433/atoll?sslmode=verify-full'"},
		{"postgres://db/atoll?user=me&password=geheim", "'postgres://db/atoll?user=me'"},
		{"postgresql:///atoll?host=/run/postgresql", "'postgresql:///atoll?host=%2Frun%2Fpostgresql'"},
		{"postgres://me:geheim@db/it's", `'postgres://me@db/it'\''s'`},
		{"postgres://me:geheim%@db/atoll", "'postgres://…'"},
	} {
		dump, restore := PostgresCommands(tt.dsn)
		for _, line := range []string{dump, restore} {
			if !strings.Contains(line, " --dbname="+tt.want) || strings.Contains(line, "geheim") {
				t.Errorf("%s: got %s, want it with %s and without the password", tt.dsn, line, tt.want)
			}
		}
	}
}

// run runs a printed line as the operator would, with the password in the environment.
func run(t *testing.T, dir, line, dsn string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	if password, ok := u.User.Password(); ok {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

func TestPostgres(t *testing.T) {
	from := newInstallation(t)
	from.cfg.Database = pgtest.DSN(t)
	db, err := store.Open(t.Context(), from.cfg.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sqlite := from.db
	from.db = db
	from.sealSomething(t)
	from.db = sqlite
	from.write(t, "logs/one/0", []byte("out\n"))
	dir := t.TempDir()
	dump, _ := PostgresCommands(from.cfg.Database)
	run(t, dir, dump, from.cfg.Database)
	file, m := from.backup(t, Options{})
	if m.Kind != Postgres || m.Database != nil || m.Schema == 0 || len(m.Blobs) != 1 {
		t.Errorf("manifest = %+v", m)
	}

	to := configFor(filepath.Join(t.TempDir(), "new"))
	if _, err := Restore(t.Context(), to, file); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("Restore() into SQLite = %v, want a conflict", err)
	}
	to.Database = pgtest.DSN(t)
	_, restore := PostgresCommands(to.Database)
	if _, err := Restore(t.Context(), to, file); !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), restore) {
		t.Errorf("Restore() into an empty database = %v, want a conflict with the command", err)
	}
	wantUntouched(t, filepath.Dir(to.Data))
	run(t, dir, restore, to.Database)
	if err := os.Mkdir(to.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	copyKey(t, from.cfg, to)
	r, err := Restore(t.Context(), to, file)
	if err != nil {
		t.Fatal(err)
	}
	if r.KeyUnused || r.Written != 1 {
		t.Errorf("Restore() = %+v", r)
	}
}
