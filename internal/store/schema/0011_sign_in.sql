-- +goose Up
-- A second factor for users, users of identity providers, and what the audit log is
-- asked for.
ALTER TABLE users ADD COLUMN totp_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN totp_pending TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN recovery_codes TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN subject TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX users_identity ON users (issuer, subject) WHERE issuer <> '' AND deleted_at = 0;
ALTER TABLE sessions ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE memberships ADD COLUMN provider TEXT NOT NULL DEFAULT '';

-- Sign-ins through a provider that came back: each may once.
CREATE TABLE used_states (
	hash TEXT PRIMARY KEY,
	used_at BIGINT NOT NULL
);
CREATE INDEX used_states_used ON used_states (used_at);

CREATE INDEX events_at ON events (at, seq) WHERE seq > 0;
CREATE INDEX events_actor ON events (actor, seq);

-- What a search reads of kinds with many rows: all of it from the index.
CREATE INDEX disks_by_name ON disks (name, id) WHERE deleted_at = 0;

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
