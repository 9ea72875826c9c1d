-- +goose Up
-- Projects and their deployments. What belongs to a project says so, for those who
-- have a role on it alone.
ALTER TABLE memberships ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
DROP INDEX memberships_scope;
CREATE UNIQUE INDEX memberships_scope ON memberships (user_id, account_id, cloudspace_id, machine_id, project_id) WHERE deleted_at = 0;
ALTER TABLE operations ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN project_id TEXT NOT NULL DEFAULT '';

CREATE TABLE projects (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	base_domain TEXT NOT NULL,
	namespace TEXT NOT NULL,
	folder TEXT NOT NULL,
	bundle_id TEXT NOT NULL,
	user_id BIGINT NOT NULL UNIQUE,
	role TEXT NOT NULL,
	labels TEXT NOT NULL,
	script_timeout BIGINT NOT NULL,
	check_timeout BIGINT NOT NULL,
	status_interval BIGINT NOT NULL,
	status_timeout BIGINT NOT NULL,
	archive_retention BIGINT NOT NULL,
	history BIGINT NOT NULL,
	default_ttl BIGINT NOT NULL,
	secrets TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX projects_name ON projects (account_id, name) WHERE deleted_at = 0;
CREATE INDEX projects_by_name ON projects (name, id) WHERE deleted_at = 0;

CREATE TABLE deployments (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	project_id TEXT NOT NULL REFERENCES projects (id),
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message TEXT NOT NULL,
	script TEXT NOT NULL,
	exit_code BIGINT NOT NULL,
	verb TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	waiting_id TEXT NOT NULL,
	application TEXT NOT NULL,
	deployment TEXT NOT NULL,
	effective_application TEXT NOT NULL,
	effective_deployment TEXT NOT NULL,
	links TEXT NOT NULL,
	labels TEXT NOT NULL,
	owner_id TEXT NOT NULL,
	owner_name TEXT NOT NULL,
	comment TEXT NOT NULL,
	-- What a search looks through: name, owner, comment, labels, overrides, in small letters.
	search TEXT NOT NULL,
	runner_id TEXT NOT NULL,
	ttl BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	warned_at BIGINT NOT NULL,
	deployed_at BIGINT NOT NULL,
	archived_at BIGINT NOT NULL,
	status_at BIGINT NOT NULL,
	checked_at BIGINT NOT NULL,
	check_at BIGINT NOT NULL,
	check_job_id TEXT NOT NULL,
	check_error TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX deployments_name ON deployments (project_id, name) WHERE deleted_at = 0;
CREATE INDEX deployments_by_name ON deployments (name, id) WHERE deleted_at = 0;
CREATE INDEX deployments_by_state ON deployments (state, id) WHERE deleted_at = 0;
CREATE INDEX deployments_by_status_at ON deployments (status_at, id) WHERE deleted_at = 0;
CREATE INDEX deployments_by_project ON deployments (project_id, id) WHERE deleted_at = 0;
CREATE INDEX deployments_by_project_status_at ON deployments (project_id, status_at, id) WHERE deleted_at = 0;
CREATE INDEX deployments_by_account ON deployments (account_id, id) WHERE deleted_at = 0;
CREATE INDEX deployments_to_check ON deployments (check_at, id) WHERE deleted_at = 0 AND state IN ('Running', 'Failure');
CREATE INDEX deployments_archived ON deployments (archived_at, id) WHERE deleted_at = 0 AND state = 'Archived';
CREATE INDEX deployments_expiring ON deployments (expires_at, id) WHERE deleted_at = 0 AND expires_at > 0;

-- What was done to deployments, and how their health changed; it outlives them.
CREATE TABLE actions (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	deployment_id TEXT NOT NULL,
	deployment_name TEXT NOT NULL,
	verb TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	actor_id TEXT NOT NULL,
	actor_name TEXT NOT NULL,
	outcome TEXT NOT NULL,
	from_state TEXT NOT NULL,
	to_state TEXT NOT NULL,
	reason TEXT NOT NULL,
	message TEXT NOT NULL,
	script TEXT NOT NULL,
	exit_code BIGINT NOT NULL,
	job_id TEXT NOT NULL,
	application TEXT NOT NULL,
	deployment TEXT NOT NULL,
	overrides TEXT NOT NULL,
	started_at BIGINT NOT NULL,
	finished_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE INDEX actions_by_deployment ON actions (deployment_id, id);
CREATE INDEX actions_by_project ON actions (project_id, id);
CREATE INDEX actions_by_operation ON actions (operation_id) WHERE operation_id <> '';

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
