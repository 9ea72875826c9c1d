-- +goose Up
-- Common subset of SQLite and PostgreSQL: ids TEXT, numbers and times (UTC
-- microseconds) BIGINT, JSON as TEXT. deleted_at is 0 while a row exists.

CREATE TABLE settings (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE counters (
	name TEXT PRIMARY KEY,
	value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('network', 0), ('event', 0);

-- Who does the work that only one controller may do at a time.
CREATE TABLE leases (
	name TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	until BIGINT NOT NULL
);
CREATE TABLE controllers (
	id TEXT PRIMARY KEY,
	advertise TEXT NOT NULL,
	seen_at BIGINT NOT NULL
);

CREATE TABLE locations (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX locations_name ON locations (name) WHERE deleted_at = 0;

CREATE TABLE nodes (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	location_id TEXT NOT NULL REFERENCES locations (id),
	roles TEXT NOT NULL,
	state TEXT NOT NULL,
	cordoned BOOLEAN NOT NULL,
	simulated BOOLEAN NOT NULL,
	labels TEXT NOT NULL,
	facts TEXT NOT NULL,
	cpu_overcommit BIGINT NOT NULL,
	cert_serial TEXT NOT NULL,
	reason TEXT NOT NULL,
	last_seen_at BIGINT NOT NULL,
	agent_version TEXT NOT NULL,
	boot_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX nodes_name ON nodes (name) WHERE deleted_at = 0;

-- Which controller holds a node's exchange; a newer epoch replaces the older.
CREATE TABLE node_connections (
	node_id TEXT PRIMARY KEY,
	controller_id TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	session TEXT NOT NULL
);
CREATE TABLE revoked_certs (
	serial TEXT PRIMARY KEY,
	node_id TEXT NOT NULL,
	revoked_at BIGINT NOT NULL
);
CREATE TABLE join_tokens (
	id TEXT PRIMARY KEY,
	hash TEXT NOT NULL UNIQUE,
	location_id TEXT NOT NULL REFERENCES locations (id),
	roles TEXT NOT NULL,
	uses_left BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);

CREATE TABLE accounts (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	state TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX accounts_name ON accounts (name) WHERE deleted_at = 0;

-- account_id is set for service accounts only.
CREATE TABLE users (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	email TEXT NOT NULL,
	full_name TEXT NOT NULL,
	account_id TEXT NOT NULL,
	role TEXT NOT NULL,
	password_hash TEXT NOT NULL,
	setup_hash TEXT NOT NULL,
	setup_expires BIGINT NOT NULL,
	disabled BOOLEAN NOT NULL,
	failed_logins BIGINT NOT NULL,
	locked_until BIGINT NOT NULL,
	last_login_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (account_id, name) WHERE deleted_at = 0;

CREATE TABLE memberships (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id),
	role TEXT NOT NULL,
	account_id TEXT NOT NULL,
	cloudspace_id TEXT NOT NULL,
	machine_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX memberships_scope ON memberships (user_id, account_id, cloudspace_id, machine_id) WHERE deleted_at = 0;
CREATE INDEX memberships_account ON memberships (account_id, id);

CREATE TABLE tokens (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id),
	name TEXT NOT NULL,
	hash TEXT NOT NULL UNIQUE,
	scope TEXT NOT NULL,
	account_id TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	last_used_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX tokens_name ON tokens (user_id, name) WHERE deleted_at = 0;

CREATE TABLE sessions (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id),
	hash TEXT NOT NULL UNIQUE,
	csrf TEXT NOT NULL,
	address TEXT NOT NULL,
	user_agent TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, id);

CREATE TABLE ssh_keys (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	name TEXT NOT NULL,
	public_key TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX ssh_keys_name ON ssh_keys (account_id, name) WHERE deleted_at = 0;

CREATE TABLE cloudspaces (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	location_id TEXT NOT NULL REFERENCES locations (id),
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	network TEXT NOT NULL,
	network_num BIGINT NOT NULL UNIQUE,
	node_id TEXT NOT NULL,
	network_generation BIGINT NOT NULL,
	operation_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX cloudspaces_name ON cloudspaces (account_id, name) WHERE deleted_at = 0;

CREATE TABLE images (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	format TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	virtual_mib BIGINT NOT NULL,
	source_url TEXT NOT NULL,
	login_user TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX images_name ON images (account_id, name) WHERE deleted_at = 0;

CREATE TABLE sizes (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	vcpus BIGINT NOT NULL,
	memory_mib BIGINT NOT NULL,
	disk_gib BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX sizes_name ON sizes (name) WHERE deleted_at = 0;

CREATE TABLE machines (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	cloudspace_id TEXT NOT NULL REFERENCES cloudspaces (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	image_id TEXT NOT NULL,
	size_id TEXT NOT NULL,
	vcpus BIGINT NOT NULL,
	memory_mib BIGINT NOT NULL,
	disk_gib BIGINT NOT NULL,
	node_id TEXT NOT NULL,
	placement_epoch BIGINT NOT NULL,
	desired_power TEXT NOT NULL,
	observed_power TEXT NOT NULL,
	observed_at BIGINT NOT NULL,
	run_strategy TEXT NOT NULL,
	address TEXT NOT NULL,
	mac TEXT NOT NULL,
	ssh_keys TEXT NOT NULL,
	user_data TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX machines_name ON machines (cloudspace_id, name) WHERE deleted_at = 0;
CREATE UNIQUE INDEX machines_address ON machines (cloudspace_id, address) WHERE deleted_at = 0;
CREATE UNIQUE INDEX machines_mac ON machines (mac) WHERE deleted_at = 0;
CREATE INDEX machines_by_name ON machines (name, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_state ON machines (state, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_account ON machines (account_id, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_node ON machines (node_id, id) WHERE deleted_at = 0;

CREATE TABLE disks (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	cloudspace_id TEXT NOT NULL REFERENCES cloudspaces (id),
	machine_id TEXT NOT NULL,
	node_id TEXT NOT NULL,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	size_gib BIGINT NOT NULL,
	image_id TEXT NOT NULL,
	boot BOOLEAN NOT NULL,
	operation_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX disks_name ON disks (cloudspace_id, name) WHERE deleted_at = 0;
CREATE INDEX disks_by_machine ON disks (machine_id, id) WHERE deleted_at = 0;
CREATE INDEX disks_by_account ON disks (account_id, id) WHERE deleted_at = 0;
CREATE INDEX disks_by_image ON disks (image_id, id) WHERE deleted_at = 0;

CREATE TABLE port_forwards (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	cloudspace_id TEXT NOT NULL REFERENCES cloudspaces (id),
	machine_id TEXT NOT NULL,
	node_id TEXT NOT NULL,
	protocol TEXT NOT NULL,
	public_port BIGINT NOT NULL,
	port BIGINT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX port_forwards_port ON port_forwards (node_id, protocol, public_port) WHERE deleted_at = 0;
CREATE INDEX port_forwards_by_cloudspace ON port_forwards (cloudspace_id, id) WHERE deleted_at = 0;
CREATE INDEX port_forwards_by_machine ON port_forwards (machine_id, id) WHERE deleted_at = 0;

CREATE TABLE scripts (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	name TEXT NOT NULL,
	revision BIGINT NOT NULL,
	current BOOLEAN NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	signature TEXT NOT NULL,
	header TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX scripts_revision ON scripts (account_id, name, revision) WHERE deleted_at = 0;
CREATE UNIQUE INDEX scripts_current ON scripts (account_id, name) WHERE deleted_at = 0 AND current;

CREATE TABLE jobs (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	cloudspace_id TEXT NOT NULL,
	state TEXT NOT NULL,
	action TEXT NOT NULL,
	script_id TEXT NOT NULL,
	args TEXT NOT NULL,
	target_node TEXT NOT NULL,
	target_role TEXT NOT NULL,
	target_location TEXT NOT NULL,
	queue TEXT NOT NULL,
	priority BIGINT NOT NULL,
	key TEXT NOT NULL,
	timeout_ms BIGINT NOT NULL,
	max_attempts BIGINT NOT NULL,
	attempt BIGINT NOT NULL,
	idempotent BOOLEAN NOT NULL,
	run_as TEXT NOT NULL,
	retention TEXT NOT NULL,
	subject_kind TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	step TEXT NOT NULL,
	schedule_id TEXT NOT NULL,
	created_by TEXT NOT NULL,
	lane TEXT NOT NULL,
	node_id TEXT NOT NULL,
	token BIGINT NOT NULL,
	cancel_asked BOOLEAN NOT NULL,
	exit_code BIGINT NOT NULL,
	result TEXT NOT NULL,
	output TEXT NOT NULL,
	output_bytes BIGINT NOT NULL,
	segments BIGINT NOT NULL,
	stats TEXT NOT NULL,
	error TEXT NOT NULL,
	simulated BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	leased_at BIGINT NOT NULL,
	started_at BIGINT NOT NULL,
	finished_at BIGINT NOT NULL
);
-- Partial indexes: finished jobs, which are nearly all, stay out of them.
CREATE INDEX jobs_queued ON jobs (lane, priority DESC, id) WHERE state = 'queued';
CREATE INDEX jobs_held ON jobs (node_id, id) WHERE state IN ('leased', 'running');
CREATE INDEX jobs_key ON jobs (key, id) WHERE key <> '';
CREATE UNIQUE INDEX jobs_key_held ON jobs (key) WHERE key <> '' AND state IN ('leased', 'running');
CREATE UNIQUE INDEX jobs_step ON jobs (operation_id, step) WHERE operation_id <> '';
CREATE INDEX jobs_subject ON jobs (subject_id, id) WHERE subject_id <> '';
CREATE INDEX jobs_account ON jobs (account_id, id) WHERE account_id <> '';

CREATE TABLE schedules (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	name TEXT NOT NULL,
	script_name TEXT NOT NULL,
	command TEXT NOT NULL,
	args TEXT NOT NULL,
	node_id TEXT NOT NULL,
	role TEXT NOT NULL,
	all_nodes BOOLEAN NOT NULL,
	location_id TEXT NOT NULL,
	every TEXT NOT NULL,
	cron TEXT NOT NULL,
	timezone TEXT NOT NULL,
	jitter_ms BIGINT NOT NULL,
	miss TEXT NOT NULL,
	timeout_ms BIGINT NOT NULL,
	paused BOOLEAN NOT NULL,
	next_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	created_by TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX schedules_name ON schedules (account_id, name) WHERE deleted_at = 0;
CREATE INDEX schedules_next ON schedules (next_at) WHERE deleted_at = 0 AND NOT paused;

CREATE TABLE operations (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	account_id TEXT NOT NULL,
	cloudspace_id TEXT NOT NULL,
	subject_kind TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	subject_name TEXT NOT NULL,
	state TEXT NOT NULL,
	step BIGINT NOT NULL,
	step_name TEXT NOT NULL,
	attempt BIGINT NOT NULL,
	steps BIGINT NOT NULL,
	progress BIGINT NOT NULL,
	message TEXT NOT NULL,
	input TEXT NOT NULL,
	data TEXT NOT NULL,
	error TEXT NOT NULL,
	error_kind TEXT NOT NULL,
	cancel_asked BOOLEAN NOT NULL,
	retry_of TEXT NOT NULL,
	created_by TEXT NOT NULL,
	request_id TEXT NOT NULL,
	owner TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	lease_until BIGINT NOT NULL,
	deadline BIGINT NOT NULL,
	wake_at BIGINT NOT NULL,
	finished_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE INDEX operations_live ON operations (lease_until, id) WHERE state IN ('running', 'undoing');
CREATE INDEX operations_subject ON operations (subject_id, id);
CREATE INDEX operations_account ON operations (account_id, id) WHERE account_id <> '';

CREATE TABLE events (
	id TEXT PRIMARY KEY,
	seq BIGINT NOT NULL,
	at BIGINT NOT NULL,
	class TEXT NOT NULL,
	actor TEXT NOT NULL,
	actor_name TEXT NOT NULL,
	credential TEXT NOT NULL,
	request_id TEXT NOT NULL,
	address TEXT NOT NULL,
	account_id TEXT NOT NULL,
	cloudspace_id TEXT NOT NULL,
	subject_kind TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	subject_name TEXT NOT NULL,
	action TEXT NOT NULL,
	outcome TEXT NOT NULL,
	message TEXT NOT NULL,
	difference TEXT NOT NULL,
	prev_hash TEXT NOT NULL,
	hash TEXT NOT NULL
);
CREATE UNIQUE INDEX events_seq ON events (seq) WHERE seq > 0;
CREATE INDEX events_new ON events (id) WHERE seq = 0;
CREATE INDEX events_subject ON events (subject_id, seq);
CREATE INDEX events_account ON events (account_id, seq);

CREATE TABLE leftovers (
	id TEXT PRIMARY KEY,
	node_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	object_id TEXT NOT NULL,
	account_id TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	reason TEXT NOT NULL,
	job_id TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX leftovers_object ON leftovers (node_id, kind, object_id) WHERE deleted_at = 0;

-- The ledger: one balance row per scope and resource; it is the lock and the
-- quota check. max_amount -1 means no limit.
CREATE TABLE balances (
	scope_kind TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	resource TEXT NOT NULL,
	amount BIGINT NOT NULL,
	max_amount BIGINT NOT NULL,
	PRIMARY KEY (scope_kind, scope_id, resource)
);
CREATE TABLE entries (
	id TEXT PRIMARY KEY,
	at BIGINT NOT NULL,
	scope_kind TEXT NOT NULL,
	scope_id TEXT NOT NULL,
	resource TEXT NOT NULL,
	delta BIGINT NOT NULL,
	subject_kind TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	operation_id TEXT NOT NULL,
	reason TEXT NOT NULL
);
CREATE INDEX entries_scope ON entries (scope_kind, scope_id, resource, id);
CREATE INDEX entries_subject ON entries (subject_id, id);
CREATE TABLE usage_counters (
	machine_id TEXT NOT NULL,
	counter TEXT NOT NULL,
	hour BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (machine_id, counter, hour)
);

CREATE TABLE idempotency_keys (
	user_id TEXT NOT NULL,
	key TEXT NOT NULL,
	request_hash TEXT NOT NULL,
	status BIGINT NOT NULL,
	body TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
