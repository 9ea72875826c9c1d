package store

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
	"atoll/internal/store/pgtest"
)

var update = flag.Bool("update", false, "write the rows of schemas that have none yet to testdata/schema")

// openAt opens a database whose schema is brought up to the version only.
func openAt(t *testing.T, url string, version int64) *DB {
	t.Helper()
	db := &DB{url: url, log: slog.New(slog.DiscardHandler), unlock: func() {}}
	if err := db.connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p, err := db.migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return db
}

func schemaVersions(t *testing.T) (versions []int64) {
	t.Helper()
	files, err := filepath.Glob("schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		var v int64
		if _, err := fmt.Sscanf(filepath.Base(f), "%04d_", &v); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		versions = append(versions, v)
	}
	return versions
}

// rowsOf is the file with rows for each table of a schema. It is written once,
// when the schema is new, and never again: so a change of a migration that was
// released shows.
func rowsOf(version int64) string { return fmt.Sprintf("testdata/schema/%04d.sql", version) }

// Each schema that ever was, with rows in each table, migrates to the newest one
// without a change of any value, and the program can read it.
func TestMigrationFromEachSchema(t *testing.T) {
	versions := schemaVersions(t)
	for _, version := range versions {
		if _, err := os.Stat(rowsOf(version)); err != nil && *update {
			text := inventRows(t, openAt(t, "sqlite:"+t.TempDir()+"/atoll.db", version))
			if err := os.WriteFile(rowsOf(version), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(rowsOf(version))
		if err != nil {
			t.Fatalf("%v: make it with go test ./internal/store -run %s -update", err, t.Name())
		}
		for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/atoll.db", "postgres": pgtest.DSN(t)} {
			t.Run(fmt.Sprintf("%04d/%s", version, name), func(t *testing.T) {
				old := openAt(t, url, version)
				for line := range strings.SplitSeq(strings.TrimSpace(string(text)), ";\n") {
					if _, err := old.write.ExecContext(t.Context(), line); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
				}
				tables := tablesOf(t, version)
				before := snapshot(t, old, tables)
				if err := old.Close(); err != nil {
					t.Fatal(err)
				}
				db, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				if has, err := db.Schema(t.Context()); err != nil || has != versions[len(versions)-1] {
					t.Errorf("schema = %d, %v", has, err)
				}
				if d := cmp.Diff(before, snapshot(t, db, tables)); d != "" {
					t.Errorf("migration changed rows (-before +after):\n%s", d)
				}
				readAll(t, db)
				if db.d.sqlite {
					if err := db.Verify(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

type tableOf struct {
	name    string
	columns []columnOf
}

type columnOf struct {
	name, kind string
	parent     string // table that it refers to
}

// tablesOf returns the tables of a schema, those that others refer to first.
func tablesOf(t *testing.T, version int64) (tables []tableOf) {
	t.Helper()
	db := openAt(t, "sqlite:"+t.TempDir()+"/schema.db", version)
	names := scanStrings(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'goose_db_version' ORDER BY name")
	refers := map[string]bool{}
	for _, name := range names {
		tab := tableOf{name: name}
		for _, c := range scanStrings(t, db, fmt.Sprintf(`SELECT c.name || ' ' || c.type || ' ' || coalesce(f."table", '')
			FROM pragma_table_info('%[1]s') c LEFT JOIN pragma_foreign_key_list('%[1]s') f ON f."from" = c.name ORDER BY c.cid`, name)) {
			part := strings.Split(c, " ")
			tab.columns = append(tab.columns, columnOf{part[0], part[1], part[2]})
			refers[name+" "+part[2]] = part[2] != ""
		}
		tables = append(tables, tab)
	}
	var sorted []tableOf
	for len(tables) > 0 {
		i := slices.IndexFunc(tables, func(a tableOf) bool {
			return !slices.ContainsFunc(tables, func(b tableOf) bool { return refers[a.name+" "+b.name] })
		})
		sorted = append(sorted, tables[i])
		tables = slices.Delete(tables, i, i+1)
	}
	return sorted
}

func scanStrings(t *testing.T, db *DB, query string) (out []string) {
	t.Helper()
	err := db.View(t.Context(), func(tx *Tx) error {
		return tx.query(func(scan func(...any) error) error {
			var s string
			err := scan(&s)
			out = append(out, s)
			return err
		}, query)
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// snapshot returns all rows of the tables' columns.
func snapshot(t *testing.T, db *DB, tables []tableOf) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, tab := range tables {
		var names []string
		for _, c := range tab.columns {
			names = append(names, c.name)
		}
		rows, err := db.read.QueryContext(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM "+tab.name)
		if err != nil {
			t.Fatalf("%s: %v", tab.name, err)
		}
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(sql.NullString)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			var row []string
			for i, v := range values {
				row = append(row, names[i]+"="+v.(*sql.NullString).String)
			}
			out[tab.name] = append(out[tab.name], strings.Join(row, " "))
		}
		rows.Close()
		slices.Sort(out[tab.name])
	}
	return out
}

// inventRows makes rows for all tables of a database, as text that both
// databases take.
func inventRows(t *testing.T, db *DB) string {
	version, err := db.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, tab := range tablesOf(t, version) {
		var names []string
		for _, c := range tab.columns {
			names = append(names, c.name)
		}
		for row := range 3 {
			var values []string
			for _, c := range tab.columns {
				values = append(values, inventValue(tab.name, c, row))
			}
			fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES (%s);\n", tab.name, strings.Join(names, ", "), strings.Join(values, ", "))
		}
	}
	return b.String()
}

// jsonColumns are those that the program decodes, with what is in them.
var jsonColumns = map[string]string{
	"roles": `["compute", "runner"]`, "labels": `{"rack": "it''s 7"}`, "facts": `{"hostname": "zürich"}`, "ssh_keys": `["ssh-ed25519 AAAA"]`,
	"header": `{"description": "greets"}`, "command": `["echo", "hi"]`, "args": `{"n": 1}`, "input": `{}`, "data": `{}`, "difference": `{"name": [null, "x"]}`,
	"result": `{"ok": true}`, "stats": `[]`,
}

func inventValue(table string, c columnOf, row int) string {
	id := func(table string) string {
		return fmt.Sprintf("'01900000-0000-7000-8000-%08x%04x'", crc32.ChecksumIEEE([]byte(table)), row)
	}
	text, json := jsonColumns[c.name]
	switch {
	case c.parent != "":
		return id(c.parent)
	case c.name == "id":
		return id(table)
	case c.kind == "BOOLEAN":
		return strings.ToUpper(fmt.Sprint(row == 1))
	case c.name == "deleted_at":
		return fmt.Sprint(row / 2 * 1_700_000_000_000_000) // the last row is deleted
	case c.kind == "BIGINT":
		return fmt.Sprint(row + 1)
	case json:
		return "'" + text + "'"
	}
	return fmt.Sprintf("'%s %s %d'", table, c.name, row)
}

// readAll reads each row as the program does.
func readAll(t *testing.T, db *DB) {
	t.Helper()
	read := func(name string, n int, err error) {
		t.Helper()
		if err != nil || n < 3 {
			t.Errorf("%s: %d rows, %v; want at least 3", name, n, err)
		}
	}
	err := db.View(t.Context(), func(tx *Tx) error {
		readTable(tx, &accounts, read)
		readTable(tx, &cloudspaces, read)
		readTable(tx, &disks, read)
		readTable(tx, &entries, read)
		readTable(tx, &events, read)
		readTable(tx, &images, read)
		readTable(tx, &jobs, read)
		readTable(tx, &joinTokens, read)
		readTable(tx, &leftovers, read)
		readTable(tx, &locations, read)
		readTable(tx, &machines, read)
		readTable(tx, &memberships, read)
		readTable(tx, &nodes, read)
		readTable(tx, &operations, read)
		readTable(tx, &portForwards, read)
		readTable(tx, &schedules, read)
		readTable(tx, &scripts, read)
		readTable(tx, &sessions, read)
		readTable(tx, &sizes, read)
		readTable(tx, &sshKeys, read)
		readTable(tx, &tokens, read)
		readTable(tx, &users, read)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readTable[T any](tx *Tx, tab *table[T], read func(name string, n int, err error)) {
	list, err := tab.all(tx, "id <> ''")
	read(tab.name, len(list), err)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/atoll.db", "postgres": pgtest.DSN(t)} {
		t.Run(name, func(t *testing.T) {
			newest, err := NewestSchema()
			if err != nil {
				t.Fatal(err)
			}
			db := openAt(t, url, newest)
			if _, err := db.write.Exec(fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, TRUE)", newest+5)); err != nil {
				t.Fatal(err)
			}
			db.Close()
			_, err = Open(t.Context(), url, slog.New(slog.DiscardHandler))
			for _, want := range []string{fmt.Sprintf("has schema %d", newest+5), fmt.Sprintf("knows up to %d", newest), "or a newer one", "restore the backup"} {
				if !cloud.Is(err, cloud.Conflict) || !strings.Contains(cloud.UserMessage(err), want) {
					t.Errorf("Open() = %v, want a conflict with %q", err, want)
				}
			}
		})
	}
}

func TestControllersThatStartAtOnceMigrateOnce(t *testing.T) {
	url := pgtest.DSN(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			db, err := Open(context.WithoutCancel(t.Context()), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			db.Close()
		})
	}
	wg.Wait()
}
