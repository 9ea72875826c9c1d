-- +goose Up
-- For pages of machines with a filter and a sort: one index in the order of the
-- sort, behind what is equal. Where a list is searched for a part of a name, the
-- name is in the index, so that the rows which do not match are not read.

CREATE INDEX machines_by_state_name ON machines (state, name, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_account_name ON machines (account_id, name, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_account_state ON machines (account_id, state, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_image ON machines (image_id, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_image_name ON machines (image_id, name, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_image_state ON machines (image_id, state, id) WHERE deleted_at = 0;
CREATE INDEX machines_by_id ON machines (id, name) WHERE deleted_at = 0;
DROP INDEX machines_by_state;
CREATE INDEX machines_by_state ON machines (state, id, name) WHERE deleted_at = 0;

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
