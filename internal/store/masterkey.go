package store

import "atoll/internal/cloud"

// The settings that tell which master key seals the secrets of the database.
const (
	settingKeyCheck = "key.check" // the id, sealed
	settingKeyID    = "key.id"
	// settingFirstSealed stands in for the check in databases from before it.
	settingFirstSealed = "ca.key"
)

// MasterKey tells which master key seals the secrets.
type MasterKey struct {
	ID    string // "" in databases from before there were ids
	Check string // sealed with it; "" if the database holds no secret yet
	Place string // of the check: what it was sealed for
}

// MasterKey returns which master key seals the secrets.
func (tx *Tx) MasterKey() (k MasterKey, err error) {
	if k.ID, err = tx.Setting(settingKeyID); err != nil {
		return k, err
	}
	for _, k.Place = range []string{settingKeyCheck, settingFirstSealed} {
		if k.Check, err = tx.Setting(k.Place); err != nil || k.Check != "" {
			return k, err
		}
	}
	return k, nil
}

// LockMasterKey is MasterKey and keeps others that call it waiting until the
// transaction ends.
func (tx *Tx) LockMasterKey() (MasterKey, error) {
	if _, err := tx.LockSetting(settingKeyCheck); err != nil {
		return MasterKey{}, err
	}
	return tx.MasterKey()
}

// MasterKeyPlace is what the check of a new master key is sealed for.
const MasterKeyPlace = settingKeyCheck

// SetMasterKey records a new master key, whose check is sealed for MasterKeyPlace.
func (tx *Tx) SetMasterKey(id, check string) error {
	if err := tx.SetSetting(settingKeyID, id); err != nil {
		return err
	}
	return tx.SetSetting(settingKeyCheck, check)
}

// LockSetting returns a value and keeps others that call it for the same key
// waiting until the transaction ends. One that is not set is then set to "".
func (tx *Tx) LockSetting(key string) (value string, err error) {
	if _, err := tx.exec("INSERT INTO settings (key, value) VALUES (?, '') ON CONFLICT DO NOTHING", key); err != nil {
		return "", err
	}
	query := "SELECT value FROM settings WHERE key = ?"
	if !tx.d.sqlite {
		query += " FOR UPDATE"
	}
	err = tx.queryRow(query, key).Scan(&value)
	return value, tx.d.translate(err)
}

// HasKeys records the ids of the master keys that a controller has, with spaces
// between.
func (tx *Tx) HasKeys(id cloud.ControllerID, keys string) error {
	_, err := tx.exec("UPDATE controllers SET keys = ? WHERE id = ?", keys, id)
	return err
}

// ControllerKeys is which master keys a controller has.
type ControllerKeys struct {
	ID   cloud.ControllerID
	Keys string // their ids, with spaces between
}

// KeysSince returns which master keys the controllers have that were seen since
// the time.
func (tx *Tx) KeysSince(since cloud.Time) ([]ControllerKeys, error) {
	var out []ControllerKeys
	err := tx.query(func(scan func(...any) error) error {
		var k ControllerKeys
		err := scan(&k.ID, &k.Keys)
		out = append(out, k)
		return err
	}, "SELECT id, keys FROM controllers WHERE seen_at >= ? ORDER BY id", since)
	return out, err
}
