-- +goose Up
-- Accounts take turns in a lane: the next jobs of each are found by the index.
DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (lane, account_id, priority DESC, id) WHERE state = 'queued';

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
