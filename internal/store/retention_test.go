package store

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store/pgtest"
)

// explainer asks the database for its plan before each statement.
type explainer struct {
	*sql.Tx
	t      *testing.T
	prefix string
	plan   *strings.Builder
}

func (e explainer) explain(ctx context.Context, query string, args ...any) {
	rows, err := e.Tx.QueryContext(ctx, e.prefix+query, args...)
	if err != nil {
		e.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		e.t.Fatal(err)
	}
	for rows.Next() {
		line := make([]any, len(cols))
		for i := range line {
			line[i] = new(sql.NullString)
		}
		if err := rows.Scan(line...); err != nil {
			e.t.Fatal(err)
		}
		e.plan.WriteString(line[len(line)-1].(*sql.NullString).String + "\n") // the text is the last column of both
	}
}

func (e explainer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	e.explain(ctx, query, args...)
	return e.Tx.ExecContext(ctx, query, args...)
}

func (e explainer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	e.explain(ctx, query, args...)
	return e.Tx.QueryContext(ctx, query, args...)
}

func TestRetentionReadsByIndex(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/atoll.db", "postgres": pgtest.DSN(t)} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			raw, prefix, scan := db.write, "EXPLAIN ", "Seq Scan"
			if db.d.sqlite { // the committer has the one connection for writing
				prefix, scan = "EXPLAIN QUERY PLAN ", "SCAN"
				if raw, err = sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:")); err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
			}
			const limit = 10
			before := cloud.Now()
			ids := []cloud.JobID{cloud.NewID[cloud.JobID](), cloud.NewID[cloud.JobID]()}
			for name, do := range map[string]func(tx *Tx) error{
				"idempotency":  func(tx *Tx) error { _, err := tx.ForgetIdempotent(before, limit); return err },
				"sessions":     func(tx *Tx) error { _, err := tx.ForgetSessions(before, limit); return err },
				"tokens":       func(tx *Tx) error { _, err := tx.ForgetTokens(before, limit); return err },
				"operations":   func(tx *Tx) error { _, err := tx.ForgetOperations(before, limit); return err },
				"deleted":      func(tx *Tx) error { _, err := tx.ForgetDeleted(before, limit); return err },
				"usage":        func(tx *Tx) error { _, err := tx.ForgetUsage(before, limit); return err },
				"events":       func(tx *Tx) error { _, err := tx.ForgetEvents(before, limit); return err },
				"old jobs":     func(tx *Tx) error { _, err := tx.JobsMadeBefore(before, "", limit); return err },
				"spent jobs":   func(tx *Tx) error { _, err := tx.SpentJobs(before, limit); return err },
				"jobs by key":  func(tx *Tx) error { _, err := tx.EndedByKey("k", "", limit); return err },
				"output":       func(tx *Tx) error { _, err := tx.JobsWithOutput(before, limit); return err },
				"delete jobs":  func(tx *Tx) error { return tx.DeleteJobs(ids) },
				"drop outputs": func(tx *Tx) error { return tx.DropSegments(ids) },
			} {
				q, err := raw.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if !db.d.sqlite { // the tables are empty: what could go by an index shall
					if _, err := q.Exec("SET LOCAL enable_seqscan = off"); err != nil {
						t.Fatal(err)
					}
				}
				var plan strings.Builder
				if err := do(&Tx{ctx: t.Context(), d: db.d, q: explainer{q, t, prefix, &plan}}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				for line := range strings.Lines(plan.String()) {
					if strings.Contains(line, scan) && !strings.Contains(line, "SCAN (subquery") {
						t.Errorf("%s reads a whole table:\n%s", name, plan.String())
						break
					}
				}
				if plan.Len() == 0 {
					t.Errorf("%s: no plan was seen", name)
				}
				if err := q.Rollback(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
