package control

import (
	"context"
	"crypto/rsa"
	"strings"

	"golang.org/x/crypto/ssh"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// minRSA is the shortest RSA key in bits that is accepted.
const minRSA = 2048

func sshKeyTarget(k *cloud.SSHKey) target {
	return target{kind: cloud.KindSSHKey, name: k.Name, account: k.AccountID}
}

// findSSHKey returns the key with the id, or with the name in the account, if
// the caller may do it.
func findSSHKey(tx *store.Tx, r *Request, a authz.Action, account, ref string) (*cloud.SSHKey, error) {
	in, err := parentAccount(tx, r, account)
	if err != nil {
		return nil, err
	}
	var k *cloud.SSHKey
	switch {
	case cloud.IsID(ref):
		k, err = tx.SSHKey(cloud.SSHKeyID(ref))
	case in == "":
		err = cloud.FieldErrorf("account", "is required to find ssh key %q by its name; or give its id", ref)
	default:
		k, err = tx.SSHKeyNamed(in, ref)
	}
	if err != nil {
		return nil, err
	}
	return k, r.permit(a, sshKeyTarget(k), ref)
}

// SSHKey returns the ssh key with the id, or with the name in the account (id or
// name), if the caller may see it.
func (c *Control) SSHKey(ctx context.Context, r *Request, account, ref string) (*cloud.SSHKey, error) {
	var k *cloud.SSHKey
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		k, err = findSSHKey(tx, r, authz.Read, account, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// SSHKeys returns a page of the ssh keys that the caller may see.
func (c *Control) SSHKeys(ctx context.Context, r *Request, q store.Query) (list []cloud.SSHKey, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.SSHKeys(r.query(cloud.KindSSHKey, q))
		return err
	})
	return list, next, err
}

// CreateSSHKey adds a key to an account from account, name and public key, and
// fills k in. DSA keys, RSA keys under 2048 bits, certificates and options are
// Invalid. For writers of the account.
func (c *Control) CreateSSHKey(ctx context.Context, r *Request, k *cloud.SSHKey) error {
	*k = cloud.SSHKey{AccountID: k.AccountID, Name: k.Name, PublicKey: k.PublicKey}
	return c.change(ctx, r, "ssh-key.create", func(ch *change) error {
		if err := r.permit(authz.Read, accountTarget(&cloud.Account{ID: k.AccountID}), string(k.AccountID)); err != nil {
			return err
		}
		if _, err := ch.active(k.AccountID); err != nil {
			return err
		}
		if err := r.allow(authz.Create, sshKeyTarget(k)); err != nil {
			return err
		}
		k.PublicKey = strings.TrimSpace(k.PublicKey)
		if err := k.Validate(); err != nil {
			return err
		}
		line, fingerprint, err := parseSSHKey("public_key", k.PublicKey)
		if err != nil {
			return err
		}
		k.PublicKey, k.Fingerprint = line, fingerprint
		k.ID = cloud.NewID[cloud.SSHKeyID]()
		if err := ch.Tx.CreateSSHKey(k); err != nil {
			return err
		}
		return ch.event("ssh-key.create", sshKeySubject(k), nil, k)
	})
}

func sshKeySubject(k *cloud.SSHKey) subject {
	return subject{kind: cloud.KindSSHKey, id: string(k.ID), name: k.Name, account: k.AccountID}
}

// parseSSHKey checks a public key and returns its one line in canonical form and
// its fingerprint. Errors are Invalid and name the field.
func parseSSHKey(field, text string) (line, fingerprint string, err error) {
	if err := cloud.ValidatePublicKey(field, text); err != nil {
		return "", "", err
	}
	key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", "", cloud.FieldErrorf(field, "is no public ssh key: expected the content of a file such as ~/.ssh/id_ed25519.pub")
	}
	if len(options) > 0 {
		return "", "", cloud.FieldErrorf(field, "has options (%s) before the key; give the key alone", clean(strings.Join(options, ",")))
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
	case ssh.KeyAlgoRSA:
		pub, ok := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey)
		if !ok || pub.N.BitLen() < minRSA {
			return "", "", cloud.FieldErrorf(field, "is an RSA key of less than %d bits, which can be broken; make one with ssh-keygen -t ed25519", minRSA)
		}
	default:
		return "", "", cloud.FieldErrorf(field, "is of the type %s, which is not accepted; make a key with ssh-keygen -t ed25519", key.Type())
	}
	line = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	if comment = clean(comment); comment != "" {
		line += " " + comment
	}
	return line, ssh.FingerprintSHA256(key), nil
}

// RenameSSHKey gives the key another name; "" keeps it.
func (c *Control) RenameSSHKey(ctx context.Context, r *Request, account, ref, name string) (*cloud.SSHKey, error) {
	var k *cloud.SSHKey
	err := c.change(ctx, r, "ssh-key.update", func(ch *change) (err error) {
		if k, err = findSSHKey(ch.Tx, r, authz.Update, account, ref); err != nil {
			return err
		}
		if _, err := ch.active(k.AccountID); err != nil {
			return err
		}
		if err := ch.match(cloud.KindSSHKey, k.Name, k.Version); err != nil {
			return err
		}
		before := *k
		if name != "" {
			k.Name = name
		}
		if err := k.Validate(); err != nil {
			return err
		}
		if err := ch.UpdateSSHKey(k); err != nil {
			return err
		}
		return ch.event("ssh-key.update", sshKeySubject(k), &before, k)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// DeleteSSHKey deletes the key. Machines that have it keep it.
func (c *Control) DeleteSSHKey(ctx context.Context, r *Request, account, ref string) error {
	return c.change(ctx, r, "ssh-key.delete", func(ch *change) error {
		k, err := findSSHKey(ch.Tx, r, authz.Delete, account, ref)
		if err != nil {
			return err
		}
		if _, err := ch.active(k.AccountID); err != nil {
			return err
		}
		if k.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateSSHKey(k); err != nil {
			return err
		}
		return ch.event("ssh-key.delete", sshKeySubject(k), k, nil)
	})
}
