package database

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"atoll/internal/octopod"
	"atoll/internal/store/pgtest"
)

// schema is the end state of the original's migrations.
const schema = `
CREATE TABLE deployments (
	id bigserial PRIMARY KEY, name text NOT NULL UNIQUE,
	app_overrides jsonb NOT NULL, deployment_overrides jsonb NOT NULL, links jsonb NOT NULL, status text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
	status_updated_at timestamptz NOT NULL DEFAULT now(), checked_at timestamptz NOT NULL DEFAULT now(), archived_at timestamptz
);
CREATE TABLE deployment_logs (
	id bigserial PRIMARY KEY, deployment_id bigint NOT NULL REFERENCES deployments(id), action text NOT NULL, exit_code smallint NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(), archived bool NOT NULL DEFAULT false, duration interval NOT NULL,
	stdout text NOT NULL, stderr text NOT NULL, app_overrides jsonb NOT NULL, deployment_overrides jsonb NOT NULL
);`

func open(t *testing.T, sql ...string) string {
	t.Helper()
	url := pgtest.DSN(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, s := range sql {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return url
}

func TestRead(t *testing.T) {
	url := open(t, schema, `
		INSERT INTO deployments VALUES
			(1, 'web', '[["image.tag",{"tag":"ValueAdded","contents":"v1"}],["k",{"tag":"ValueDeleted"}]]', '[]', '[{"name":"app","link":"https://web"}]', 'TagMismatch',
				'2022-01-02T03:04:05Z', '2022-01-03T03:04:05Z', '2022-01-04T03:04:05Z', now(), NULL),
			(2, 'old', '[]', '[]', '[]', 'Archived', '2021-01-02T03:04:05Z', '2021-01-03T03:04:05Z', '2021-01-04T03:04:05Z', now(), '2021-01-04T03:04:05Z');
		INSERT INTO deployment_logs VALUES
			(7, 1, 'create', 0, '2022-01-02T04:00:00Z', false, '1 minute 2.5 seconds', 'out', 'err', '[]', '[]'),
			(9, 1, 'update', -15, '2022-01-03T04:00:00Z', false, '3 seconds', repeat('x', 100000) || 'end', '', '[["a",{"tag":"ValueAdded","contents":"1"}]]', '[]');`)
	var got []Deployment
	if err := Read(t.Context(), url, func(d *Deployment) error { got = append(got, *d); return nil }); err != nil {
		t.Fatal(err)
	}
	day := func(year, month, day int) time.Time {
		return time.Date(year, time.Month(month), day, 3, 4, 5, 0, time.UTC)
	}
	archived := day(2021, 1, 4)
	want := []Deployment{
		{
			Deployment: octopod.Deployment{Name: "web", AppOverrides: octopod.Overrides{{Key: "image.tag", Value: "v1"}, {Key: "k", Deleted: true}}},
			Status:     octopod.TagMismatch, Links: []octopod.Link{{Name: "app", Link: "https://web"}},
			CreatedAt: day(2022, 1, 2), UpdatedAt: day(2022, 1, 3), StatusAt: day(2022, 1, 4),
			Logs: []Log{
				{ID: 7, Action: "create", CreatedAt: time.Date(2022, 1, 2, 4, 0, 0, 0, time.UTC), Duration: 62500 * time.Millisecond, Stdout: "out", Stderr: "err"},
				{
					ID: 9, Action: "update", ExitCode: -15, CreatedAt: time.Date(2022, 1, 3, 4, 0, 0, 0, time.UTC), Duration: 3 * time.Second,
					Stdout: strings.Repeat("x", MaxOutput-3) + "end", AppOverrides: octopod.Overrides{{Key: "a", Value: "1"}},
				},
			},
		},
		{
			Deployment: octopod.Deployment{Name: "old"}, Status: octopod.Archived,
			CreatedAt: day(2021, 1, 2), UpdatedAt: day(2021, 1, 3), StatusAt: day(2021, 1, 4), ArchivedAt: &archived,
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Deployment{}), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadOther(t *testing.T) {
	for name, sql := range map[string]string{
		"nothing in it": "SELECT 1", "an older one": "CREATE TABLE deployments (id bigserial, name text, tag text)",
	} {
		err := Read(t.Context(), open(t, sql), func(*Deployment) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "Octopod 1.4") {
			t.Errorf("%s: %v", name, err)
		}
	}
	url := open(t, schema, `INSERT INTO deployments (name, app_overrides, deployment_overrides, links, status) VALUES ('web', '[["a"]]', '[]', '[]', 'Running')`)
	if err := Read(t.Context(), url, func(*Deployment) error { return nil }); err == nil || !strings.Contains(err.Error(), "web") {
		t.Errorf("malformed overrides: %v", err)
	}
	if err := Read(t.Context(), "postgres://127.0.0.1:1/x", func(*Deployment) error { return nil }); err == nil {
		t.Error("a server that is not there is read")
	}
}
