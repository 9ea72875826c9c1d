-- +goose Up
-- Pages of Markdown, in spaces that belong to the installation (no account), to an
-- account or to a project.
CREATE TABLE wiki_spaces (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	name TEXT NOT NULL,
	title TEXT NOT NULL,
	description TEXT NOT NULL,
	readers TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX wiki_spaces_name ON wiki_spaces (account_id, project_id, name) WHERE deleted_at = 0;
CREATE INDEX wiki_spaces_by_name ON wiki_spaces (name, id) WHERE deleted_at = 0;

CREATE TABLE wiki_pages (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	space_id TEXT NOT NULL REFERENCES wiki_spaces (id),
	slug TEXT NOT NULL,
	title TEXT NOT NULL,
	revision BIGINT NOT NULL,
	size BIGINT NOT NULL,
	author_id TEXT NOT NULL,
	author_name TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE UNIQUE INDEX wiki_pages_slug ON wiki_pages (space_id, slug) WHERE deleted_at = 0;
CREATE INDEX wiki_pages_by_slug ON wiki_pages (slug, id) WHERE deleted_at = 0;
CREATE INDEX wiki_pages_by_title ON wiki_pages (title, id) WHERE deleted_at = 0;
CREATE INDEX wiki_pages_by_updated ON wiki_pages (updated_at, id) WHERE deleted_at = 0;
CREATE INDEX wiki_pages_deleted ON wiki_pages (deleted_at) WHERE deleted_at > 0;

-- Each save of a page. The newest is current; it alone has the text of a search:
-- slug, title and body in small letters.
CREATE TABLE wiki_revisions (
	id TEXT PRIMARY KEY,
	page_id TEXT NOT NULL REFERENCES wiki_pages (id),
	number BIGINT NOT NULL,
	current BOOLEAN NOT NULL,
	title TEXT NOT NULL,
	comment TEXT NOT NULL,
	restored_from BIGINT NOT NULL,
	author_id TEXT NOT NULL,
	author_name TEXT NOT NULL,
	size BIGINT NOT NULL,
	body TEXT NOT NULL,
	search TEXT NOT NULL DEFAULT '',
	created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX wiki_revisions_number ON wiki_revisions (page_id, number);
CREATE UNIQUE INDEX wiki_revisions_current ON wiki_revisions (page_id) WHERE current;

-- +goose Down
SELECT 'a schema is never taken back; restore a backup instead';
