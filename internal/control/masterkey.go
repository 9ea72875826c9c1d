package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// The master key is changed without a moment in which a controller could not open
// what another one sealed:
//
//  1. a new version is added to the key file, and the file brought to the hosts of
//     all controllers; nothing is sealed with it yet;
//  2. each controller reads its file and records the ids of the keys that it has;
//  3. once all that run have the new one, one transaction makes it the one that
//     seals: from then on a controller without it does not start;
//  4. what older versions sealed is sealed anew, some at a time.
//
// Each step is a transaction, or the replacement of a file, and says by what it
// left whether it was done: after a crash anybody goes on. Older versions stay in
// the file until the operator removes them, for backups from before.

// sealedSettings are the settings that are sealed, each for its own name.
var sealedSettings = []string{settingCAKey, settingSignKey, settingValueKey}

// resealBatch is how many values one transaction seals anew.
const resealBatch = 50

// OpenKeys opens the key file of a controller. It makes one only if the database
// holds no secret yet, since those would be lost with another key.
func OpenKeys(ctx context.Context, db *store.DB, file string) (*pki.Keyring, error) {
	keys, err := pki.OpenKeyring(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	var need store.MasterKey
	if err := db.View(ctx, func(tx *store.Tx) (err error) { need, err = tx.MasterKey(); return err }); err != nil {
		return nil, err
	}
	if need.Check != "" {
		return nil, cloud.Wrap(cloud.Conflict, err, "the master key is missing: put %s back, which holds key %d%s; the database's secrets cannot be opened without it",
			file, pki.SealedBy(need.Check), withID(need.ID))
	}
	keys, _, err = pki.LoadKeyring(file)
	return keys, err
}

func withID(id string) string {
	if id == "" {
		return ""
	}
	return " with the id " + id
}

// checkKey refuses keys that are not those of the database. A database from before
// there was a check gets one.
func checkKey(tx *store.Tx, keys *pki.Keyring) error {
	need, err := tx.LockMasterKey()
	if err != nil {
		return err
	}
	if err := fits(need, keys); err != nil {
		return err
	}
	if need.Place == store.MasterKeyPlace {
		return nil
	}
	return sealWith(tx, keys, pki.SealedBy(need.Check))
}

func fits(need store.MasterKey, keys *pki.Keyring) error {
	if need.Check == "" {
		return cloud.Errorf(cloud.Conflict, "the database holds no secret yet: start a controller first")
	}
	if err := keys.Check(need.Check, need.ID, []byte(need.Place)); err != nil {
		return cloud.Wrap(cloud.Conflict, err, "the key file is not the one that belongs to this database: put that one back")
	}
	return nil
}

// sealWith makes a version of the master key the one that seals.
func sealWith(tx *store.Tx, keys *pki.Keyring, version int) error {
	id := keys.ID(version)
	check, err := keys.Seal(version, []byte(id), []byte(store.MasterKeyPlace))
	if err != nil {
		return err
	}
	return tx.SetMasterKey(id, check)
}

// sealSetting is how everything is sealed: a sealed value of another kind needs a
// place in sealedSettings, or its like, to be sealed anew.
func sealSetting(tx *store.Tx, keys *pki.Keyring, version int, name string, plain []byte) error {
	sealed, err := keys.Seal(version, plain, []byte(name))
	if err != nil {
		return err
	}
	return tx.SetSetting(name, sealed)
}

func openSetting(tx *store.Tx, keys *pki.Keyring, name string) ([]byte, error) {
	sealed, err := tx.Setting(name)
	if err != nil {
		return nil, err
	}
	plain, err := keys.Open(sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return plain, nil
}

// rereadKeys reports whether a key was added to the file.
func (c *Control) rereadKeys() (added bool) {
	before := c.Keys.Newest()
	if err := c.Keys.Reload(); err != nil {
		c.Log.Error("read the key file again; the keys from before are used", "err", err)
	}
	return c.Keys.Newest() != before
}

// showKeys records which master keys this controller has, unless it lacks the one
// that seals by now.
func (c *Control) showKeys(tx *store.Tx) error {
	if err := checkKey(tx, c.Keys); err != nil {
		return err
	}
	return tx.HasKeys(c.ID, strings.Join(c.Keys.IDs(), " "))
}

// Rotation is how far the change to a new master key is.
type Rotation struct {
	Version int    // that seals
	ID      string // of that key
	Newest  int    // in the key file
	Left    int    // values that an older version sealed
	// Lacking are the controllers that run and do not have the newest key yet.
	Lacking []cloud.ControllerID
}

// Done reports whether all is sealed with the newest key.
func (r *Rotation) Done() bool { return r.Version == r.Newest && r.Left == 0 }

// KeyRotation returns how far the change to the newest key of the file is.
// Conflict says that the file is not the one that belongs to the database.
func KeyRotation(tx *store.Tx, keys *pki.Keyring) (*Rotation, error) {
	need, err := tx.MasterKey()
	if err != nil {
		return nil, err
	}
	if err := fits(need, keys); err != nil {
		return nil, err
	}
	r := &Rotation{Version: pki.SealedBy(need.Check), ID: need.ID, Newest: keys.Newest()}
	for _, name := range sealedSettings {
		sealed, err := tx.Setting(name)
		if err != nil {
			return nil, err
		}
		if sealed != "" && pki.SealedBy(sealed) != r.Newest {
			r.Left++
		}
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	list, err := tx.KeysSince(now.Add(-op.DefaultLease))
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if !slices.Contains(strings.Fields(c.Keys), keys.ID(r.Newest)) {
			r.Lacking = append(r.Lacking, c.ID)
		}
	}
	return r, nil
}

// RotateKey takes the change to the newest key of the file on by one transaction,
// and returns how far it is then. It is safe to repeat, also concurrently.
func RotateKey(ctx context.Context, db *store.DB, keys *pki.Keyring) (r *Rotation, err error) {
	err = db.Update(ctx, func(tx *store.Tx) error {
		if err := checkKey(tx, keys); err != nil { // and locks
			return err
		}
		if r, err = KeyRotation(tx, keys); err != nil {
			return err
		}
		switch {
		case r.Newest > r.Version && len(r.Lacking) == 0:
			if err := sealWith(tx, keys, r.Newest); err != nil {
				return err
			}
			message := fmt.Sprintf("master key %d (id %s) seals in place of %d (id %s)", r.Newest, keys.ID(r.Newest), r.Version, r.ID)
			s := subject{kind: cloud.KindInstallation, id: "installation", name: "installation"}
			if err := stateEvent(tx, "installation.key-rotated", s, message); err != nil {
				return err
			}
		case r.Newest == r.Version && r.Left > 0:
			if err := reseal(tx, keys, r.Version); err != nil {
				return err
			}
		default:
			return nil
		}
		r, err = KeyRotation(tx, keys)
		return err
	})
	return r, err
}

// reseal seals some of what other versions sealed with the version.
func reseal(tx *store.Tx, keys *pki.Keyring, version int) error {
	n := 0
	for _, name := range sealedSettings {
		sealed, err := tx.LockSetting(name)
		if err != nil {
			return err
		}
		if sealed == "" || pki.SealedBy(sealed) == version || n == resealBatch {
			continue
		}
		plain, err := keys.Open(sealed, []byte(name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := sealSetting(tx, keys, version, name, plain); err != nil {
			return err
		}
		n++
	}
	return nil
}

// rotateEvery is how often a controller looks for a new master key.
const rotateEvery = 10 * time.Second

// rotateKeys changes to a new master key as soon as all controllers have it.
func (c *Control) rotateKeys(ctx context.Context) error {
	return c.loop(ctx, "master-key", rotateEvery, func(ctx context.Context) error {
		var r *Rotation
		err := c.view(ctx, func(tx *store.Tx) (err error) { r, err = KeyRotation(tx, c.Keys); return err })
		for err == nil && !r.Done() {
			if r.Newest != r.Version && len(r.Lacking) > 0 {
				c.Log.Warn("a new master key waits until all controllers have it", "key", r.Newest, "lacking", r.Lacking)
				return nil
			}
			r, err = RotateKey(ctx, c.DB, c.Keys)
		}
		return err
	})
}
