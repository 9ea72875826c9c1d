package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
	"atoll/internal/octopod"
	"atoll/internal/octopod/database"
)

// Bounds of one call of an import.
const (
	importCount = 20
	importBytes = 2 << 20
)

// projectImport reads the other system's database here, where its password is: the
// controller neither gets it nor connects to addresses that users name.
func (a *app) projectImport() *cobra.Command {
	var url string
	cmd := a.command("import PROJECT --octopod-database URL", "Take over the deployments of an Octopod installation", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, args []string) error {
			where, err := a.in(ctx, c, inAccount, args[0])
			if err != nil {
				return err
			}
			var all []api.ImportedDeployment
			var batch api.ProjectImport
			size := 0
			send := func() error {
				done, err := c.Projects().Import(ctx, args[0], batch, append(a.options(), where)...)
				if err != nil {
					return err
				}
				all = append(all, done.Deployments...)
				batch, size = api.ProjectImport{}, 0
				return nil
			}
			err = database.Read(ctx, url, func(d *database.Deployment) error {
				in, n := importedDeployment(d)
				if len(batch.Deployments) > 0 && (len(batch.Deployments) == importCount || size+n > importBytes) {
					if err := send(); err != nil {
						return err
					}
				}
				batch.Deployments = append(batch.Deployments, in)
				size += n
				return nil
			})
			if err == nil && len(batch.Deployments) > 0 {
				err = send()
			}
			a.printImported(all)
			return err
		})
	cmd.Flags().StringVar(&url, "octopod-database", "", "Octopod's PostgreSQL, such as postgres://octopod@db.example.com/octopod; PGPASSWORD may hold the password")
	cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "print what would be done, and change nothing")
	must(cmd.MarkFlagRequired("octopod-database"))
	return cmd
}

// printImported says what became of each deployment, also if the import did not end.
func (a *app) printImported(all []api.ImportedDeployment) {
	taken := 0
	for _, d := range all {
		state := d.State
		if d.Reason != "" {
			state += " (" + d.Reason + ")"
		}
		if d.Outcome == "imported" {
			taken++
			fmt.Fprintf(a.Stdout, "%s: imported, %s, %d actions", d.Name, state, d.Actions)
		} else {
			fmt.Fprintf(a.Stdout, "%s: skipped", d.Name)
		}
		if d.Message != "" {
			fmt.Fprint(a.Stdout, ": "+d.Message)
		}
		fmt.Fprintln(a.Stdout)
	}
	word := "imported"
	if a.dryRun {
		word = "would be imported"
	}
	a.note("%d of %d deployments %s", taken, len(all), word)
}

// importedDeployment is the deployment for the API, and about how large it is.
func importedDeployment(d *database.Deployment) (api.ImportDeployment, int) {
	out := api.ImportDeployment{
		Name: d.Name, Status: string(d.Status), Application: importedOverrides(d.AppOverrides), Deployment: importedOverrides(d.DeploymentOverrides),
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, StatusAt: d.StatusAt,
	}
	if d.ArchivedAt != nil {
		out.ArchivedAt = *d.ArchivedAt
	}
	for _, l := range d.Links {
		out.Links = append(out.Links, api.Link{Name: l.Name, URL: l.Link})
	}
	size := 1 << 10
	for _, l := range d.Logs {
		size += 1<<10 + len(l.Stdout) + len(l.Stderr)
		out.Actions = append(out.Actions, api.ImportAction{
			Number: l.ID, Action: l.Action, ExitCode: l.ExitCode, StartedAt: l.CreatedAt.Add(-l.Duration), FinishedAt: l.CreatedAt,
			Stdout: l.Stdout, Stderr: l.Stderr, Application: importedOverrides(l.AppOverrides), Deployment: importedOverrides(l.DeploymentOverrides),
		})
	}
	return out, size
}

func importedOverrides(list octopod.Overrides) []api.Override {
	out := make([]api.Override, 0, len(list))
	for _, o := range list {
		out = append(out, api.Override{Key: o.Key, Value: o.Value, Deleted: o.Deleted})
	}
	return out
}
