-- +goose Up
-- Which lines of a short output are standard error.
ALTER TABLE jobs ADD COLUMN streams TEXT NOT NULL DEFAULT '';

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
