package main

import "github.com/spf13/cobra"

func serverCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "server --config FILE",
		Short: "Run a controller",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := readConfig(file)
			if err != nil {
				return err
			}
			c, err := newController(cmd.Context(), cfg, newLog(cmd))
			if err != nil {
				return err
			}
			defer c.close()
			return c.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); deploy/server.yaml is an example")
	must(cmd.MarkFlagRequired("config"))
	cmd.PersistentFlags().Bool("debug", false, "log more")
	cmd.AddCommand(backupCommand(), restoreCommand(), rotateKeyCommand())
	return cmd
}
