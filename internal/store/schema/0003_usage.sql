-- +goose Up
-- What the byte counters of a machine were when its node told them last: they
-- count from 0 in each run, which its start names.

CREATE TABLE usage_seen (
	machine_id TEXT NOT NULL,
	counter TEXT NOT NULL,
	run BIGINT NOT NULL,
	amount BIGINT NOT NULL,
	PRIMARY KEY (machine_id, counter)
);

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
