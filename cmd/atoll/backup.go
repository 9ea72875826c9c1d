package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"atoll/internal/backup"
)

// backupFlags are how the two commands find a controller's data.
type backupFlags struct{ config, data string }

func (b *backupFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.config, "config", "", "configuration `FILE` of the controller")
	cmd.Flags().StringVar(&b.data, "data", "./atoll-data", "data folder `DIR` of `atoll up`, without a configuration file")
	cmd.MarkFlagsMutuallyExclusive("config", "data")
}

func (b *backupFlags) read() (backup.Config, error) {
	cfg := serverConfig{Data: b.data}
	var err error
	if b.config != "" {
		cfg, err = readConfig(b.config)
	} else {
		err = cfg.complete()
	}
	return backup.Config{Data: cfg.Data, Database: cfg.Database, Blobs: cfg.Blobs, KeyFile: cfg.KeyFile}, err
}

// backupCommand is `atoll server backup`.
func backupCommand() *cobra.Command {
	var flags backupFlags
	var opt backup.Options
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up the database and small blobs, while the controller runs",
		Long: "Writes a new archive FILE (mode 0600) with a consistent copy of the database and the blobs up to 1 MiB: scripts and job logs.\n" +
			"Larger ones, such as images, are listed only. The master key is not in it: keep a copy of it in another place.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.read()
			if err != nil {
				return err
			}
			m, err := backup.Create(cmd.Context(), cfg, args[0], opt)
			if err != nil {
				return fmt.Errorf("back up %s: %w", cfg.Data, err)
			}
			printBackup(cmd.OutOrStdout(), cfg, args[0], m)
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&opt.WithImages, "with-images", false, "copy blobs of every size")
	return cmd
}

func printBackup(w io.Writer, cfg backup.Config, file string, m *backup.Manifest) {
	listed := m.Without()
	fmt.Fprintf(w, "%s: schema %d, %d blobs copied, %d larger ones listed only%s\n", file, m.Schema, len(m.Blobs)-len(listed), len(listed), size(listed))
	if m.Kind == backup.Postgres {
		dump, _ := backup.PostgresCommands(cfg.Database)
		fmt.Fprintf(w, "The database is not in it. Dump it too, best before this command:\n  %s\n", dump)
	}
	if m.Key != nil {
		fmt.Fprintf(w, "Its secrets need %s, which is not in it: keep a copy of %s apart from the backup. Without the key they are lost.\n", m.Key, cfg.KeyFile)
	}
}

// restoreCommand is `atoll server restore`.
func restoreCommand() *cobra.Command {
	var flags backupFlags
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make an empty data folder that of the backup",
		Long: "Checks the whole archive, then writes the database and the blobs into an empty data folder. Put the master key there first:\n" +
			"it is the one file that may be in it, and must open the secrets in the database, or nothing is restored.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := flags.read()
			if err != nil {
				return err
			}
			r, err := backup.Restore(cmd.Context(), cfg, args[0])
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			printRestored(cmd.OutOrStdout(), cfg, r)
			return nil
		},
	}
	flags.add(cmd)
	return cmd
}

func printRestored(w io.Writer, cfg backup.Config, r *backup.Restored) {
	fmt.Fprintf(w, "%s: the state of %s, %d blobs written", cfg.Data, r.Manifest.CreatedAt.Format("2006-01-02 15:04:05 MST"), r.Written)
	if r.Kept > 0 {
		fmt.Fprintf(w, ", %d were there", r.Kept)
	}
	fmt.Fprintln(w)
	if len(r.Missing) > 0 {
		fmt.Fprintf(w, "%d blobs were not in the backup%s; copy them into %s:\n", len(r.Missing), size(r.Missing), cfg.Blobs)
		for _, b := range r.Missing {
			fmt.Fprintf(w, "  %s  %s  %d bytes\n", b.Key, b.SHA256, b.Size)
		}
	}
	if r.KeyUnused {
		fmt.Fprintln(w, "The database holds no secret yet: any master key will do.")
		return
	}
	fmt.Fprintf(w, "The master key %s opens the secrets: the controller can start.\n", cfg.KeyFile)
}

// size says how much the blobs are together, "" for none.
func size(blobs []backup.Blob) string {
	var n int64
	for _, b := range blobs {
		n += b.Size
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d MiB)", (n+1<<20-1)>>20)
}
