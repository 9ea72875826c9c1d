package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"atoll/api"
	"atoll/client"
)

func (a *app) loginCommand() *cobra.Command {
	var name, user, tokenFile, caFile, pin, ttl string
	var stdin bool
	cmd := &cobra.Command{
		Use: "login [URL]", Short: "Sign in to an installation and keep a context for it", Args: cobra.MaximumNArgs(1),
		Long: "Sign in to an installation and keep a context for it.\n\n" +
			"With --user it asks for the password, and for a code where a second factor is enrolled, and makes a token. Without, it asks for a token.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cur, err := a.current()
			if err != nil {
				return err
			}
			e := environment{URL: cur.URL, CAFile: cmp.Or(caFile, cur.CAFile), Pin: cmp.Or(pin, cur.Pin), Account: a.account, Cloudspace: a.cloudspace}
			if len(args) == 1 {
				e.URL = args[0]
			}
			e.URL = strings.TrimRight(e.URL, "/")
			switch {
			case user != "":
				e.Token, err = a.passwordLogin(cmd.Context(), e, user, stdin, ttl)
			case tokenFile != "":
				var text []byte
				text, err = os.ReadFile(tokenFile)
				e.Token = strings.TrimSpace(string(text))
			default:
				e.Token, err = a.secret("Token: ", stdin)
			}
			if err != nil {
				return err
			}
			return a.explain(a.keep(cmd.Context(), name, e))
		},
	}
	a.common(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "name of the context; the server's name if left out")
	f.StringVar(&user, "user", "", "sign in with this user's password")
	f.StringVar(&tokenFile, "token-file", "", "use the token in this file")
	f.BoolVar(&stdin, "stdin", false, "read the password, and the code on the next line, or the token from standard input, without asking")
	f.StringVar(&ttl, "ttl", "720h", "how long the token for --user holds")
	f.StringVar(&caFile, "ca-file", "", "trust also the certificates in this file")
	f.StringVar(&pin, "pin", "", "trust only the certificate with this SHA-256")
	return cmd
}

func (a *app) passwordLogin(ctx context.Context, e environment, user string, stdin bool, ttl string) (string, error) {
	pw, err := a.secret("Password of "+user+": ", stdin)
	if err != nil {
		return "", err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	t := api.TokenCreate{Name: tokenName(host, time.Now()), Scope: "full", TTL: ttl}
	cfg := client.Config{URL: e.URL, CAFile: e.CAFile, Pin: e.Pin, UserAgent: "atoll/" + a.Version}
	made, err := client.Login(ctx, cfg, api.Login{Name: user, Password: pw}, t)
	if client.CodeOf(err) == client.SecondFactor {
		var code string
		if code, err = a.secret("Code: ", stdin); err != nil {
			return "", err
		}
		made, err = client.Login(ctx, cfg, api.Login{Name: user, Password: pw, Code: code}, t)
	}
	if err != nil {
		return "", err
	}
	return made.Secret, nil
}

// tokenName is unique among the user's tokens and fits their name rule.
func tokenName(host string, at time.Time) string {
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	if len(host) > 30 {
		host = host[:30]
	}
	return fmt.Sprintf("cli-%s-%s", strings.Trim(host, "-"), at.UTC().Format("20060102-150405.000"))
}

// keep checks the credential and makes its context the current one.
func (a *app) keep(ctx context.Context, name string, e environment) error {
	c, err := client.New(client.Config{URL: e.URL, Token: e.Token, CAFile: e.CAFile, Pin: e.Pin})
	if err != nil {
		return err
	}
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	if name == "" {
		_, host, _ := strings.Cut(e.URL, "://")
		name, _, _ = strings.Cut(host, "/")
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if old := cfg.Contexts[name]; old != nil && old.URL == e.URL {
		e.Account, e.Cloudspace = cmp.Or(e.Account, old.Account), cmp.Or(e.Cloudspace, old.Cloudspace)
	}
	cfg.Contexts[name], cfg.Current = &e, name
	if err := a.save(cfg); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "signed in to %s as %s; context %s\n", e.URL, me.User.Name, name)
	return nil
}

// secret asks for one on the terminal without showing it, or reads a line.
func (a *app) secret(prompt string, stdin bool) (string, error) {
	if f, ok := a.Stdin.(*os.File); ok && !stdin && terminal(f) {
		fmt.Fprint(a.Stderr, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.Stderr)
		return strings.TrimSpace(string(b)), err
	}
	if !stdin {
		return "", usagef("there is no terminal to ask on; give the secret with --stdin")
	}
	line, err := a.line()
	if line == "" && err != nil {
		return "", usagef("standard input is empty; the secret was expected there")
	}
	return line, nil
}

// line reads one line of standard input and not more.
func (a *app) line() (string, error) {
	r, ok := a.Stdin.(*bufio.Reader)
	if !ok {
		r = bufio.NewReader(a.Stdin)
		a.Stdin = r
	}
	line, err := r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}
