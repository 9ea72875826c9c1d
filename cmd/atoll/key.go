package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// rotateKeyCommand is `atoll server rotate-key`.
func rotateKeyCommand() *cobra.Command {
	var flags backupFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Change the master key, while controllers run",
		Long: "Adds a new key to the master key file, and waits until all secrets in the database are sealed with it. With several controllers\n" +
			"copy the file to the hosts of the others: the new key is used once all that run have it. If it was cut off, run it again: it goes\n" +
			"on. The older keys stay in the file, as backups from before need them.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.read()
			if err != nil {
				return err
			}
			return rotateKey(cmd.Context(), cmd.OutOrStdout(), rotation{cfg.Database, cfg.KeyFile}, wait)
		},
	}
	flags.add(cmd)
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for the controllers")
	return cmd
}

// rotation is a change of the master key from beside the controllers.
type rotation struct{ database, file string }

func rotateKey(ctx context.Context, w io.Writer, r rotation, wait time.Duration) error {
	keys, err := pki.OpenKeyring(r.file)
	if err != nil {
		return err
	}
	now, err := r.look(ctx, keys)
	if err != nil {
		return err
	}
	if now.Done() {
		version, err := keys.Add()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s holds a new master key %d (id %s) beside %d (id %s). Copy the file to a safe place, apart from backups.\n",
			r.file, version, keys.ID(version), now.Version, now.ID)
	} else {
		fmt.Fprintf(w, "An earlier change to master key %d (id %s) is not done; it goes on.\n", now.Newest, keys.ID(now.Newest))
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		step, err := r.step(ctx, keys)
		if err == nil {
			now = step
		} else if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return err
		}
		if now.Done() && err == nil {
			fmt.Fprintf(w, "All secrets are sealed with master key %d (id %s). Backups from before need the older ones: keep those with them.\n",
				now.Version, now.ID)
			return nil
		}
		select {
		case <-ctx.Done():
			if len(now.Lacking) > 0 {
				return fmt.Errorf("master key %d is not used yet: the controllers %v do not have it; copy %s to their hosts, and they do the rest", keys.Newest(), now.Lacking, r.file)
			}
			return fmt.Errorf("master key %d is not used everywhere yet; the controllers do the rest, or run this again", keys.Newest())
		case <-tick.C:
		}
	}
}

// look returns how far the change is.
func (r rotation) look(ctx context.Context, keys *pki.Keyring) (now *control.Rotation, err error) {
	db, err := store.OpenReadOnly(ctx, r.database)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	has, err := db.Schema(ctx)
	if err != nil {
		return nil, err
	}
	if newest, err := store.NewestSchema(); err != nil || has != newest {
		return nil, errors.Join(err, cloud.Errorf(cloud.Conflict, "the database has schema %d and this program %d: use the atoll that the controllers run", has, newest))
	}
	err = db.View(ctx, func(tx *store.Tx) (err error) { now, err = control.KeyRotation(tx, keys); return err })
	return now, err
}

// step takes the change on. The one controller of an SQLite file does so itself if
// it runs.
func (r rotation) step(ctx context.Context, keys *pki.Keyring) (*control.Rotation, error) {
	db, err := store.Open(ctx, r.database, slog.New(slog.DiscardHandler))
	if cloud.Is(err, cloud.Conflict) {
		return r.look(ctx, keys)
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return control.RotateKey(ctx, db, keys)
}
