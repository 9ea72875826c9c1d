-- +goose Up
-- Webhooks, and the events that are sent to them; deployments that nobody uses; and
-- how much a project may hold on each runner.
ALTER TABLE projects ADD COLUMN idle_ttl BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN disk_mib BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN idle_warned_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE webhooks (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL, -- '' is the installation
	project_id TEXT NOT NULL,
	name TEXT NOT NULL,
	url TEXT NOT NULL,
	secret TEXT NOT NULL,
	old_secret TEXT NOT NULL,
	old_until BIGINT NOT NULL,
	events TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	after_seq BIGINT NOT NULL,
	failing_since BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	last_status BIGINT NOT NULL,
	last_error TEXT NOT NULL,
	created_by TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhooks_name ON webhooks (account_id, name) WHERE deleted_at = 0;
CREATE INDEX webhooks_by_name ON webhooks (name, id) WHERE deleted_at = 0;
CREATE INDEX webhooks_by_project ON webhooks (project_id, id) WHERE deleted_at = 0;
CREATE INDEX webhooks_deleted ON webhooks (deleted_at) WHERE deleted_at > 0;

CREATE TABLE webhook_deliveries (
	id TEXT PRIMARY KEY,
	webhook_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	action TEXT NOT NULL,
	body TEXT NOT NULL,
	state TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	begin_at BIGINT NOT NULL,
	next_at BIGINT NOT NULL,
	sent_at BIGINT NOT NULL,
	duration BIGINT NOT NULL,
	status BIGINT NOT NULL,
	response TEXT NOT NULL,
	error TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhook_deliveries_event ON webhook_deliveries (webhook_id, seq) WHERE seq > 0;
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at, webhook_id, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id) WHERE state = 'pending';

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
