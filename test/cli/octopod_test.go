package cli_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"atoll/internal/store/pgtest"
)

// octopodDatabase is that of an Octopod with two deployments, of which one has a name
// that Atoll does not take. It has the columns that are of interest.
func octopodDatabase(t *testing.T) string {
	t.Helper()
	url := pgtest.DSN(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `
		CREATE TABLE deployments (
			id bigserial PRIMARY KEY, name text UNIQUE, app_overrides jsonb, deployment_overrides jsonb, links jsonb, status text,
			created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), status_updated_at timestamptz DEFAULT now(), archived_at timestamptz
		);
		CREATE TABLE deployment_logs (
			id bigserial PRIMARY KEY, deployment_id bigint REFERENCES deployments(id), action text, exit_code smallint, created_at timestamptz, duration interval,
			stdout text, stderr text, app_overrides jsonb, deployment_overrides jsonb
		);
		INSERT INTO deployments (name, app_overrides, deployment_overrides, links, status) VALUES
			('web', '[["image.tag",{"tag":"ValueAdded","contents":"v1"}]]', '[]', '[{"name":"app","link":"https://web"}]', 'Running'), ('bad-', '[]', '[]', '[]', 'Running');
		INSERT INTO deployment_logs VALUES (7, 1, 'create', 0, '2022-01-02T04:00:00Z', '1 minute', 'made it', 'from the old one', '[]', '[]')`)
	if err != nil {
		t.Fatal(err)
	}
	return url
}
