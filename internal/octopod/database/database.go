// Package database reads what an installation of Octopod keeps: its deployments and
// their log, from the two tables of its PostgreSQL.
//
// It must never write to that database, or read another schema than that of 1.4 on.
package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"atoll/internal/octopod"
)

// Deployment is a row of deployments with its rows of deployment_logs.
type Deployment struct {
	octopod.Deployment
	Status                         octopod.Recorded
	Links                          []octopod.Link
	CreatedAt, UpdatedAt, StatusAt time.Time
	ArchivedAt                     *time.Time
	Logs                           []Log // the oldest first
	id                             int64
}

// Log is a row of deployment_logs.
type Log struct {
	ID                                int64
	Action                            string
	ExitCode                          int64
	CreatedAt                         time.Time // when its script had ended
	Duration                          time.Duration
	Stdout, Stderr                    string // of the newest ones; see MaxOutput
	AppOverrides, DeploymentOverrides octopod.Overrides
}

const (
	// MaxOutput is how many characters are read of an output; of a longer one the end.
	MaxOutput = 16 << 10
	// newest is of how many entries of a deployment's log the output is read.
	newest = 100
)

// Read calls take with each deployment, in the order in which they were made, all as
// they were at one moment.
func Read(ctx context.Context, url string, take func(*Deployment) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to Octopod's database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // nothing was written
	list, err := deployments(ctx, tx)
	if err != nil {
		return explain(err)
	}
	for i := range list {
		if err := logs(ctx, tx, &list[i]); err != nil {
			return explain(err)
		}
		if err := take(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

func deployments(ctx context.Context, tx pgx.Tx) ([]Deployment, error) {
	rows, err := tx.Query(ctx, `SELECT id, name, app_overrides, deployment_overrides, links, status, created_at, updated_at, status_updated_at, archived_at
		FROM deployments ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Deployment, err error) {
		err = row.Scan(&d.id, &d.Name, &d.AppOverrides, &d.DeploymentOverrides, &d.Links, &d.Status, &d.CreatedAt, &d.UpdatedAt, &d.StatusAt, &d.ArchivedAt)
		if err != nil {
			err = fmt.Errorf("deployment %d (%s): %w", d.id, d.Name, err)
		}
		return d, err
	})
}

func logs(ctx context.Context, tx pgx.Tx, d *Deployment) error {
	rows, err := tx.Query(ctx, `SELECT id, action, exit_code, created_at, extract(epoch FROM duration)::float8, app_overrides, deployment_overrides,
			CASE WHEN newest <= $2 THEN coalesce(right(stdout, $3), '') ELSE '' END, CASE WHEN newest <= $2 THEN coalesce(right(stderr, $3), '') ELSE '' END
		FROM (SELECT *, row_number() OVER (ORDER BY id DESC) AS newest FROM deployment_logs WHERE deployment_id = $1) l ORDER BY id`, d.id, newest, MaxOutput)
	if err != nil {
		return err
	}
	d.Logs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Log, err error) {
		var seconds float64
		if err = row.Scan(&l.ID, &l.Action, &l.ExitCode, &l.CreatedAt, &seconds, &l.AppOverrides, &l.DeploymentOverrides, &l.Stdout, &l.Stderr); err != nil {
			err = fmt.Errorf("action %d of deployment %s: %w", l.ID, d.Name, err)
		}
		l.Duration = time.Duration(seconds * float64(time.Second))
		return l, err
	})
	return err
}

// explain says what to do about a database that is not Octopod's, or an older one's.
func explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "42703") { // undefined table, undefined column
		return fmt.Errorf("this is not the database of an Octopod 1.4 or later, whose migrations have all been run: %w", err)
	}
	return err
}
