package store

import (
	"database/sql"
	"errors"

	"atoll/internal/cloud"
)

var nodes = table[cloud.Node]{
	kind: cloud.KindNode, name: "nodes",
	cols: append([]string{"id", "name", "location_id", "roles", "state", "cordoned", "simulated", "labels", "facts", "cpu_overcommit", "cert_serial", "reason", "last_seen_at", "agent_version", "boot_id"}, metaCols...),
	ptrs: func(v *cloud.Node) []any {
		return append([]any{
			&v.ID, &v.Name, &v.LocationID,
			asJSON{&v.Roles},
			&v.State, &v.Cordoned, &v.Simulated,
			asJSON{&v.Labels},
			asJSON{&v.Facts},
			&v.CPUOvercommit, &v.CertSerial, &v.Reason, &v.LastSeenAt,
			&v.AgentVersion, &v.BootID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Node) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "state": "state", "location": "location_id", "role": "roles"},
	words:   "roles",
}

// CreateNode writes a new node.
func (tx *Tx) CreateNode(v *cloud.Node) error { return nodes.insert(tx, v) }

// Node returns the node unless it is deleted.
func (tx *Tx) Node(id cloud.NodeID) (*cloud.Node, error) { return nodes.live(tx, id) }

// NodePlace returns what each exchange with the node's agent needs of the node:
// reading all of it takes twice as long.
func (tx *Tx) NodePlace(id cloud.NodeID) (state cloud.NodeState, roles []cloud.Role, location cloud.LocationID, err error) {
	err = tx.queryRow("SELECT state, roles, location_id FROM nodes WHERE id = ? AND deleted_at = 0", id).Scan(&state, asJSON{&roles}, &location)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, "", notFound(cloud.KindNode, id)
	}
	return state, roles, location, tx.d.translate(err)
}

// UpdateNode writes the node back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateNode(v *cloud.Node) error { return nodes.update(tx, v) }

// Nodes returns a page of nodes and the cursor of the next one.
func (tx *Tx) Nodes(q Query) ([]cloud.Node, string, error) { return nodes.list(tx, q) }

// NodesWith returns those nodes that have one of the ids, deleted ones too.
func (tx *Tx) NodesWith(ids []cloud.NodeID) ([]cloud.Node, error) { return some(&nodes, tx, ids) }

// NodeNamed returns the node by its name.
func (tx *Tx) NodeNamed(name string) (*cloud.Node, error) {
	return nodes.get(tx, name, "name = ? AND deleted_at = 0", name)
}

var joinTokens = table[cloud.JoinToken]{
	kind: cloud.KindJoinToken, name: "join_tokens",
	cols: append([]string{"id", "hash", "location_id", "roles", "uses_left", "expires_at"}, metaCols...),
	ptrs: func(v *cloud.JoinToken) []any {
		return append([]any{
			&v.ID, &v.Hash, &v.LocationID, asJSON{&v.Roles}, &v.UsesLeft, &v.ExpiresAt,
		}, metaPtrs(&v.Meta)...)
	},
	meta: func(v *cloud.JoinToken) *cloud.Meta { return &v.Meta },
}

// CreateJoinToken writes a new join token.
func (tx *Tx) CreateJoinToken(v *cloud.JoinToken) error { return joinTokens.insert(tx, v) }

// JoinToken returns the join token unless it is deleted.
func (tx *Tx) JoinToken(id cloud.JoinTokenID) (*cloud.JoinToken, error) {
	return joinTokens.live(tx, id)
}

// UpdateJoinToken writes the join token back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateJoinToken(v *cloud.JoinToken) error { return joinTokens.update(tx, v) }

// JoinTokens returns a page of join tokens and the cursor of the next one.
func (tx *Tx) JoinTokens(q Query) ([]cloud.JoinToken, string, error) { return joinTokens.list(tx, q) }

// JoinTokenByHash returns the join token with the secret's hash.
func (tx *Tx) JoinTokenByHash(hash string) (*cloud.JoinToken, error) {
	return joinTokens.get(tx, "(given)", "hash = ? AND deleted_at = 0", hash)
}

// UseJoinToken takes one use of the token with the secret's hash and returns the
// token; NotFound if it has none left or has expired. Many may use it at once.
func (tx *Tx) UseJoinToken(hash string) (*cloud.JoinToken, error) {
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	n, err := tx.exec(`UPDATE join_tokens SET uses_left = uses_left - 1, version = version + 1, updated_at = ?
		WHERE hash = ? AND deleted_at = 0 AND uses_left > 0 AND expires_at >= ?`, now, hash, now)
	if err == nil && n == 0 {
		err = cloud.Errorf(cloud.NotFound, "no such join token, or it is used up")
	}
	if err != nil {
		return nil, err
	}
	return tx.JoinTokenByHash(hash)
}

// RevokeCertificates refuses the certificates of a node that is being deleted.
func (tx *Tx) RevokeCertificates(node cloud.NodeID, serials ...string) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	for _, s := range serials {
		if _, err := tx.exec("INSERT INTO revoked_certs (serial, node_id, revoked_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", s, node, now); err != nil {
			return err
		}
	}
	return nil
}

// RevokedCertificates returns the serials that must not be let in.
func (tx *Tx) RevokedCertificates() ([]string, error) {
	var out []string
	err := tx.query(func(scan func(...any) error) error {
		var s string
		err := scan(&s)
		out = append(out, s)
		return err
	}, "SELECT serial FROM revoked_certs")
	return out, err
}

// TouchNode records that the node's agent was heard, without a new version.
func (tx *Tx) TouchNode(id cloud.NodeID, at cloud.Time) error {
	_, err := tx.exec("UPDATE nodes SET last_seen_at = ? WHERE id = ? AND last_seen_at < ?", at, id, at)
	return err
}

// SilentNodes returns online nodes that were not heard since the time.
func (tx *Tx) SilentNodes(since cloud.Time) ([]cloud.Node, error) {
	return nodes.all(tx, "deleted_at = 0 AND state = ? AND last_seen_at < ?", cloud.NodeOnline, since)
}
