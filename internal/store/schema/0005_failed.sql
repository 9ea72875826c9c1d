-- +goose Up
-- Lists of jobs that did not succeed, among millions that did: those alone pay for
-- the index.
CREATE INDEX jobs_unsuccessful ON jobs (state, id) WHERE state IN ('failed', 'timed_out', 'canceled', 'lost');

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
