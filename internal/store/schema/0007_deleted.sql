-- +goose Up
-- Deleted rows are removed after a while: retention must not read what it keeps.
CREATE INDEX machines_deleted ON machines (deleted_at) WHERE deleted_at > 0;
CREATE INDEX disks_deleted ON disks (deleted_at) WHERE deleted_at > 0;
CREATE INDEX port_forwards_deleted ON port_forwards (deleted_at) WHERE deleted_at > 0;
CREATE INDEX ssh_keys_deleted ON ssh_keys (deleted_at) WHERE deleted_at > 0;
CREATE INDEX schedules_deleted ON schedules (deleted_at) WHERE deleted_at > 0;
CREATE INDEX memberships_deleted ON memberships (deleted_at) WHERE deleted_at > 0;
CREATE INDEX leftovers_deleted ON leftovers (deleted_at) WHERE deleted_at > 0;
CREATE INDEX leftovers_by_object ON leftovers (object_id) WHERE deleted_at = 0;

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
