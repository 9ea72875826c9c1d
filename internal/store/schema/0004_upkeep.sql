-- +goose Up
-- The request that an idempotency key is for. Keys are recorded with what they
-- are for; of older ones that were not answered nobody knows whether they were done.
ALTER TABLE idempotency_keys ADD COLUMN owner TEXT NOT NULL DEFAULT '';
UPDATE idempotency_keys SET status = 1 WHERE status = 0;

-- Ids of the master keys that a controller has.
ALTER TABLE controllers ADD COLUMN keys TEXT NOT NULL DEFAULT '';

-- For retention, which must not read what it keeps. All but the newest jobs of
-- the class days go by their id, which has the time in it, so that the ends of
-- jobs pay for no index.
CREATE INDEX jobs_spent ON jobs (finished_at, id) WHERE retention = 'failures' AND state = 'succeeded';
CREATE INDEX jobs_last ON jobs (key, id) WHERE retention = 'last' AND finished_at > 0;
CREATE INDEX jobs_output ON jobs (finished_at, id) WHERE segments > 0 AND finished_at > 0;
CREATE INDEX operations_finished ON operations (finished_at, id) WHERE finished_at > 0;
CREATE INDEX sessions_over ON sessions (expires_at);
CREATE INDEX sessions_deleted ON sessions (deleted_at) WHERE deleted_at > 0;
CREATE INDEX tokens_over ON tokens (expires_at) WHERE expires_at > 0;
CREATE INDEX tokens_deleted ON tokens (deleted_at) WHERE deleted_at > 0;
CREATE INDEX usage_counters_hour ON usage_counters (hour);

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
