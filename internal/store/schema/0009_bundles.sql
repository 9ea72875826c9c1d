-- +goose Up
-- The versions of projects' control scripts, and archives of programs for the
-- bundle builtin:process.
CREATE TABLE bundles (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	project_id TEXT NOT NULL REFERENCES projects (id),
	revision BIGINT NOT NULL,
	kind TEXT NOT NULL,
	source TEXT NOT NULL,
	digest TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	signature TEXT NOT NULL,
	scripts TEXT NOT NULL,
	created_by TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX bundles_by_revision ON bundles (project_id, revision);
CREATE INDEX bundles_by_content ON bundles (sha256, project_id) WHERE sha256 <> '';

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
