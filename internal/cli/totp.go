package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

func (a *app) totpCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "totp", Short: "The second factor of signing in: codes by time"})
	cmd.AddCommand(a.totpEnrol(), a.totpCodes(), a.totpDisable(), a.totpReset())
	return cmd
}

const stdinUsage = "read what is asked for from standard input, one a line"

// totpEnrol asks for what the server wants to know: the password, and a code of the
// present second factor if there is one.
func (a *app) totpEnrol() *cobra.Command {
	var stdin bool
	cmd := a.command("enrol", "Enrol your second factor, or replace it", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		me, err := c.Me(ctx)
		if err != nil {
			return err
		}
		var in api.TOTPEnrol
		if in.Password, err = a.secret("Password of "+me.User.Name+": ", stdin); err != nil {
			return err
		}
		if me.SecondFactor.Enabled {
			if in.Code, err = a.secret("Present code: ", stdin); err != nil {
				return err
			}
		}
		secret, err := c.EnrolTOTP(ctx, in)
		if err != nil {
			return err
		}
		a.note("add this to your authenticator app, as it is or as a QR code:\n%s\n%s", secret.Secret, secret.OTPAuthURI)
		code, err := a.secret("Code that the app shows: ", stdin)
		if err != nil {
			return err
		}
		recovery, err := c.ConfirmTOTP(ctx, code)
		if err != nil {
			return err
		}
		return a.printRecovery(me, recovery)
	})
	cmd.Flags().BoolVar(&stdin, "stdin", false, stdinUsage)
	return cmd
}

func (a *app) printRecovery(me *api.Me, r *api.RecoveryCodes) error {
	return a.printSecret(r, me.User.Name, strings.Join(r.RecoveryCodes, "\n"),
		"the second factor of %s holds; keep these recovery codes, each for one sign-in without the app, shown only now:", me.User.Name)
}

func (a *app) totpCodes() *cobra.Command {
	return a.withCode("recovery-codes", "Make new recovery codes; earlier ones end", func(ctx context.Context, c *client.Client, me *api.Me, code string) error {
		recovery, err := c.NewRecoveryCodes(ctx, code)
		if err != nil {
			return err
		}
		return a.printRecovery(me, recovery)
	})
}

func (a *app) totpDisable() *cobra.Command {
	return a.withCode("disable", "End your second factor", func(ctx context.Context, c *client.Client, me *api.Me, code string) error {
		if err := c.DisableTOTP(ctx, code); err != nil {
			return err
		}
		a.note("%s has no second factor any more", me.User.Name)
		return nil
	})
}

// withCode is a command that needs a code of one's own second factor.
func (a *app) withCode(use, short string, do func(ctx context.Context, c *client.Client, me *api.Me, code string) error) *cobra.Command {
	var stdin bool
	cmd := a.command(use, short, cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		me, err := c.Me(ctx)
		if err != nil {
			return err
		}
		code, err := a.secret("Code: ", stdin)
		if err != nil {
			return err
		}
		return do(ctx, c, me, code)
	})
	cmd.Flags().BoolVar(&stdin, "stdin", false, stdinUsage)
	return cmd
}

func (a *app) totpReset() *cobra.Command {
	return a.userVerb("reset NAME...", "End the second factor and the sessions of users who lost theirs", words{"resetting", "reset"}, client.Users.ResetTOTP)
}

func (a *app) unlinkCommand() *cobra.Command {
	return a.userVerb("unlink NAME...", "End that users belong to an account at an identity provider", words{"unlinking", "unlinked"}, client.Users.Unlink)
}

// userVerb is a command that does one thing with each user.
func (a *app) userVerb(use, short string, w words, do func(client.Users, context.Context, string, ...client.Option) (*client.Result[api.User], error)) *cobra.Command {
	cmd := a.command(use, short, cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		return verb(ctx, a, c, users, w, args, func(ref string, o ...client.Option) (*client.Result[api.User], error) {
			return do(c.Users(), ctx, ref, o...)
		})
	})
	return completing(a, users, a.mutating(cmd))
}
