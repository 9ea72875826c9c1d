package store

import (
	"atoll/internal/cloud"
)

var images = table[cloud.Image]{
	kind: cloud.KindImage, name: "images",
	cols: append([]string{"id", "account_id", "name", "description", "state", "reason", "format", "sha256", "size", "virtual_mib", "source_url", "login_user", "operation_id"}, metaCols...),
	ptrs: func(v *cloud.Image) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.Name, &v.Description, &v.State, &v.Reason, &v.Format, &v.SHA256, &v.Size,
			&v.VirtualMiB, &v.SourceURL, &v.User, &v.OperationID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Image) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "state": "state", "account": "account_id"},
	account: "account_id",
}

// CreateImage writes a new image.
func (tx *Tx) CreateImage(v *cloud.Image) error { return images.insert(tx, v) }

// Image returns the image unless it is deleted.
func (tx *Tx) Image(id cloud.ImageID) (*cloud.Image, error) { return images.live(tx, id) }

// KeepImage is Image for a transaction that makes something from it: until its
// end nobody changes the image, or deletes it.
func (tx *Tx) KeepImage(id cloud.ImageID) (*cloud.Image, error) {
	lock := ""
	if !tx.d.sqlite { // where writers wait for each other in any case
		lock = " FOR SHARE"
	}
	return images.get(tx, id, "id = ? AND deleted_at = 0"+lock, id)
}

// LockImage waits for the transactions that keep the image, and makes others wait
// for this one.
func (tx *Tx) LockImage(id cloud.ImageID) error {
	_, err := tx.exec("UPDATE images SET version = version WHERE id = ?", id)
	return err
}

// UpdateImage writes the image back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateImage(v *cloud.Image) error { return images.update(tx, v) }

// Images returns a page of images and the cursor of the next one.
func (tx *Tx) Images(q Query) ([]cloud.Image, string, error) { return images.list(tx, q) }

// ImageNamed returns the image by its name in the account.
func (tx *Tx) ImageNamed(account cloud.AccountID, name string) (*cloud.Image, error) {
	return images.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// ImageByContent returns a ready image with the checksum; NotFound if there is none.
func (tx *Tx) ImageByContent(sha256 string) (*cloud.Image, error) {
	return images.get(tx, sha256, "sha256 = ? AND state IN ('ready', 'disabled') ORDER BY id LIMIT 1", sha256)
}

// ImageBodyUsed reports whether an image needs the body with the checksum: one
// that exists, or is being made.
func (tx *Tx) ImageBodyUsed(sha256 string) (bool, error) {
	var n int64
	err := tx.queryRow("SELECT count(*) FROM images WHERE sha256 = ? AND state IN ('creating', 'ready', 'disabled')", sha256).Scan(&n)
	return n > 0, tx.d.translate(err)
}

// LockImageBodies makes other transactions that lock them wait for this one: an
// image's row and the removal of its body must not cross.
func (tx *Tx) LockImageBodies() error { return tx.SetSetting("images.lock", "") }
