package backup

import (
	"net/url"
	"strings"
)

// libpqParameters are those of a database URL that PostgreSQL's own programs
// know; the rest is for our driver, and the password is for nobody's eyes.
var libpqParameters = []string{
	"host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs",
}

// PostgresCommands returns the lines for a shell that dump the database and
// restore it. They hold no password: it comes from PGPASSWORD or ~/.pgpass, or is asked for.
func PostgresCommands(dsn string) (dump, restore string) {
	clean := "postgres://…"
	if u, err := url.Parse(dsn); err == nil {
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		keep, all := url.Values{}, u.Query()
		for _, name := range libpqParameters {
			if all.Has(name) {
				keep[name] = all[name]
			}
		}
		u.RawQuery, u.Fragment = keep.Encode(), ""
		clean = u.String()
	}
	at := "--dbname=" + quote(clean)
	return "pg_dump --format=custom --file=atoll.dump " + at,
		"pg_restore --exit-on-error --single-transaction --no-owner " + at + " atoll.dump"
}

// quote makes s one word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
