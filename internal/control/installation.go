package control

import (
	"context"
	"crypto/tls"
	"time"

	"atoll/internal/pki"
	"atoll/internal/store"
)

// installation holds the keys of the installation, opened with the master key.
type installation struct {
	ca   *pki.CA
	sign *pki.SigningKey
	// values seals secrets in rows: there are many, and a new master key seals only
	// this key anew.
	values *pki.ValueKey
}

// The settings that hold them. The private ones are sealed.
const (
	settingCACert   = "ca.cert"
	settingCAKey    = "ca.key"
	settingSignKey  = "sign.key"
	settingValueKey = "value.key"
)

func loadInstallation(ctx context.Context, cfg Config) (*installation, error) {
	var inst *installation
	err := cfg.DB.Update(ctx, func(tx *store.Tx) error {
		inst = &installation{}
		cert, err := tx.LockSetting(settingCACert) // of controllers that start at once one makes them
		if err != nil {
			return err
		}
		if cert == "" {
			return inst.make(tx, cfg.Keys)
		}
		if err := checkKey(tx, cfg.Keys); err != nil {
			return err
		}
		return inst.open(tx, cfg.Keys, cert)
	})
	return inst, err
}

func (i *installation) make(tx *store.Tx, keys *pki.Keyring) (err error) {
	if i.ca, err = pki.NewCA("Atoll installation", time.Now()); err != nil {
		return err
	}
	if i.sign, err = pki.NewSigningKey(); err != nil {
		return err
	}
	caKey, err := i.ca.KeyDER()
	if err != nil {
		return err
	}
	signKey, err := i.sign.KeyDER()
	if err != nil {
		return err
	}
	if err := tx.SetSetting(settingCACert, string(i.ca.CertPEM())); err != nil {
		return err
	}
	version := keys.Newest()
	if err := sealWith(tx, keys, version); err != nil {
		return err
	}
	for name, plain := range map[string][]byte{settingCAKey: caKey, settingSignKey: signKey} {
		if err := sealSetting(tx, keys, version, name, plain); err != nil {
			return err
		}
	}
	return i.makeValues(tx, keys, version)
}

func (i *installation) makeValues(tx *store.Tx, keys *pki.Keyring, version int) (err error) {
	key := pki.NewValueKey()
	if err := sealSetting(tx, keys, version, settingValueKey, key); err != nil {
		return err
	}
	i.values, err = pki.OpenValueKey(key)
	return err
}

// openValues opens the key of secrets in rows; an installation from before there
// was one gets it.
func (i *installation) openValues(tx *store.Tx, keys *pki.Keyring) error {
	sealed, err := tx.LockSetting(settingValueKey)
	if err != nil {
		return err
	}
	if sealed == "" {
		need, err := tx.MasterKey()
		if err != nil {
			return err
		}
		return i.makeValues(tx, keys, pki.SealedBy(need.Check))
	}
	key, err := openSetting(tx, keys, settingValueKey)
	if err != nil {
		return err
	}
	i.values, err = pki.OpenValueKey(key)
	return err
}

func (i *installation) open(tx *store.Tx, keys *pki.Keyring, cert string) error {
	caKey, err := openSetting(tx, keys, settingCAKey)
	if err != nil {
		return err
	}
	if i.ca, err = pki.ParseCA([]byte(cert), caKey); err != nil {
		return err
	}
	signKey, err := openSetting(tx, keys, settingSignKey)
	if err != nil {
		return err
	}
	if i.sign, err = pki.ParseSigningKey(signKey); err != nil {
		return err
	}
	return i.openValues(tx, keys)
}

// controllerCert is how long a controller's certificate holds; a new one is made
// at each start and when two thirds have passed.
const controllerCert = 30 * 24 * time.Hour

// CA is the installation's certificate authority.
func (c *Control) CA() *pki.CA { return c.inst.ca }

// Signer signs the installation's scripts.
func (c *Control) Signer() *pki.SigningKey { return c.inst.sign }

// ListenerCertificate makes a certificate for the agents' listener under the hosts.
func (c *Control) ListenerCertificate(hosts []string) (*tls.Certificate, error) {
	key, err := pki.NewKey()
	if err != nil {
		return nil, err
	}
	cert, err := c.inst.ca.IssueController(key.Public(), string(c.ID), hosts, controllerCert, time.Now())
	if err != nil {
		return nil, err
	}
	out, err := cert.TLS(key)
	return &out, err
}
