package store

import "atoll/internal/cloud"

var bundles = table[cloud.Bundle]{
	kind: cloud.KindBundle, name: "bundles",
	cols: append([]string{"id", "account_id", "project_id", "revision", "kind", "source", "digest", "sha256", "size", "signature", "scripts", "created_by"}, metaCols...),
	ptrs: func(v *cloud.Bundle) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.ProjectID, &v.Revision, &v.Kind, &v.Source, &v.Digest, &v.SHA256, &v.Size, &v.Signature,
			asJSON{&v.Scripts},
			&v.CreatedBy,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Bundle) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"project": "project_id", "kind": "kind"},
	account: "account_id",
	project: "project_id",
}

// CreateBundle writes a new version with the project's next revision. The caller
// holds the project's lock.
func (tx *Tx) CreateBundle(v *cloud.Bundle) error {
	if err := tx.queryRow("SELECT coalesce(max(revision), 0) + 1 FROM bundles WHERE project_id = ?", v.ProjectID).Scan(&v.Revision); err != nil {
		return tx.d.translate(err)
	}
	return bundles.insert(tx, v)
}

// Bundle returns the version.
func (tx *Tx) Bundle(id cloud.BundleID) (*cloud.Bundle, error) { return bundles.live(tx, id) }

// BundleRevision returns the project's version of that number.
func (tx *Tx) BundleRevision(project cloud.ProjectID, revision int64) (*cloud.Bundle, error) {
	return bundles.get(tx, revision, "project_id = ? AND revision = ? AND deleted_at = 0", project, revision)
}

// BundleOf returns the newest version of the project that is the same: of the kind,
// with the content, from the source.
func (tx *Tx) BundleOf(like *cloud.Bundle) (*cloud.Bundle, error) {
	return bundles.get(tx, like.SHA256, "project_id = ? AND kind = ? AND sha256 = ? AND source = ? AND deleted_at = 0 ORDER BY revision DESC LIMIT 1",
		like.ProjectID, like.Kind, like.SHA256, like.Source)
}

// Bundles returns a page of versions.
func (tx *Tx) Bundles(q Query) ([]cloud.Bundle, string, error) { return bundles.list(tx, q) }

// BundleBodyUsed reports whether a version has the archive with the content.
func (tx *Tx) BundleBodyUsed(sha256 string) (bool, error) {
	var n int64
	err := tx.queryRow("SELECT count(*) FROM bundles WHERE sha256 = ? AND sha256 <> ''", sha256).Scan(&n)
	return n > 0, tx.d.translate(err)
}

// WantsBundle reports whether the node has a job of a project that has an archive
// with the content.
func (tx *Tx) WantsBundle(node cloud.NodeID, sha256 string) (bool, error) {
	var n int64
	err := tx.queryRow(`SELECT count(*) FROM bundles b JOIN jobs j ON j.project_id = b.project_id
		WHERE b.sha256 = ? AND b.sha256 <> '' AND b.deleted_at = 0 AND j.node_id = ? AND j.state IN ('leased', 'running')`, sha256, node).Scan(&n)
	return n > 0, tx.d.translate(err)
}
