package product

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
	_ "modernc.org/sqlite"             // the driver named sqlite
)

// historyDays is over how many days, before today, a history is spread. None of
// it is old enough for retention.
const historyDays = 20

// FillHistory makes n finished jobs of the past: copies of the job, in the
// database itself, while the controller is stopped.
func (p *Product) FillHistory(ctx context.Context, job string, n int) error {
	driver, dsn, after := "sqlite", filepath.Join(p.data(), "atoll.db"), "PRAGMA wal_checkpoint(TRUNCATE)"
	if p.database != "" {
		// What a server does by itself after so many rows must not fall into the measurement.
		driver, dsn, after = "pgx", p.database, "VACUUM ANALYZE"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	columns, err := columnsOf(ctx, db, "jobs")
	if err != nil {
		return err
	}
	from := time.Now().Add(-(historyDays + 1) * 24 * time.Hour).UnixMilli()
	step := max(1, historyDays*24*time.Hour.Milliseconds()/int64(n))
	ms := fmt.Sprintf("(%d + seq.i * %d)", from, step)
	values := map[string]string{
		"id": uuid7(driver, ms), "created_at": ms + " * 1000", "leased_at": ms + " * 1000 + 200",
		"started_at": ms + " * 1000 + 300", "finished_at": ms + " * 1000 + 700",
	}
	selected := make([]string, len(columns))
	for i, c := range columns {
		if selected[i] = values[c]; selected[i] == "" {
			selected[i] = "jobs." + c
		}
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(
		`WITH RECURSIVE seq (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM seq WHERE i < %d)
		INSERT INTO jobs (%s) SELECT %s FROM seq, jobs WHERE jobs.id = '%s' AND jobs.finished_at > 0`,
		n, strings.Join(columns, ", "), strings.Join(selected, ", "), job))
	if err != nil {
		return fmt.Errorf("make a history: %w", err)
	}
	_, err = db.ExecContext(ctx, after)
	return err
}

// uuid7 is the SQL of a UUIDv7 of the time ms, which the row's number seq.i makes
// unique.
func uuid7(driver, ms string) string {
	hex := func(digits int, value string) string {
		if driver == "sqlite" {
			return fmt.Sprintf("printf('%%0%dx', %s)", digits, value)
		}
		return fmt.Sprintf("lpad(to_hex(%s), %d, '0')", value, digits)
	}
	return strings.Join([]string{
		hex(8, ms+" >> 16"), hex(4, ms+" & 65535"), "'7000'", "'8000'", hex(12, "seq.i"),
	}, " || '-' || ")
}

func columnsOf(ctx context.Context, db *sql.DB, table string) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return rows.Columns()
}
