package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"atoll/internal/cloud"
)

const ed25519Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJgrhxgAsoX1Z1mJ+kZ/yQ5zv5gxvEDbtVDJvKpW9hN ann@laptop"

// dsaKey has the form of one.
const dsaKey = "ssh-dss AAAAB3NzaC1kc3MAAACBAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAFQCAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAECAAAAAQU="

func rsaKey(t *testing.T, bits int) string {
	t.Helper()
	// The numbers need not be a working key: only their form is checked.
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	key, err := ssh.NewPublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func TestParseSSHKey(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ssh.NewPublicKey(&ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, key, says string
	}{
		{"ed25519", ed25519Key, ""},
		{"ecdsa", string(ssh.MarshalAuthorizedKey(ecKey))[:len(ssh.MarshalAuthorizedKey(ecKey))-1], ""},
		{"rsa 2048", rsaKey(t, 2048), ""},
		{"rsa 1024", rsaKey(t, 1024), "2048"},
		{"dsa", dsaKey, "ssh-dss"},
		{"options", `command="id" ` + ed25519Key, "options"},
		{"two lines", ed25519Key + "\n" + ed25519Key, "one line"},
		{"rubbish", "ssh-ed25519 AAAA", "no public ssh key"},
		{"private", "-----BEGIN OPENSSH PRIVATE KEY-----", "private key"},
		{"empty", "", "no public ssh key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line, fingerprint, err := parseSSHKey("public_key", tt.key)
			if tt.says == "" {
				if err != nil || !strings.HasPrefix(fingerprint, "SHA256:") || !strings.HasPrefix(tt.key, line) {
					t.Errorf("parse = %q, %q, %v", line, fingerprint, err)
				}
				return
			}
			if !cloud.Is(err, cloud.Invalid) || !strings.Contains(cloud.UserMessage(err), tt.says) {
				t.Errorf("parse = %v, want Invalid with %q", err, tt.says)
			}
		})
	}
}

func TestSSHKeyLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("other")
		wim, rob, eve := w.user("wim", ""), w.user("rob", ""), w.user("eve", "")
		w.member(wim, cloud.ScopeWriter, a)
		w.member(rob, cloud.ScopeReader, a)
		w.member(eve, cloud.ScopeAdmin, b)
		writer, reader, stranger := w.as(wim), w.as(rob), w.as(eve)

		k := &cloud.SSHKey{AccountID: a.ID, Name: "laptop", PublicKey: " " + ed25519Key + "\n"}
		w.ok(w.CreateSSHKey(ctx, writer, k))
		if k.PublicKey != ed25519Key || k.Fingerprint == "" {
			t.Errorf("stored key %+v", k)
		}
		w.fails("name twice", w.CreateSSHKey(ctx, writer, &cloud.SSHKey{AccountID: a.ID, Name: "laptop", PublicKey: ed25519Key}), cloud.Conflict)
		w.fails("reader creates", w.CreateSSHKey(ctx, reader, &cloud.SSHKey{AccountID: a.ID, Name: "l2", PublicKey: ed25519Key}), cloud.Denied)
		w.fails("stranger creates", w.CreateSSHKey(ctx, stranger, &cloud.SSHKey{AccountID: a.ID, Name: "l2", PublicKey: ed25519Key}), cloud.NotFound)

		_, err := w.RenameSSHKey(ctx, reader, "acme", "laptop", "mine")
		w.fails("reader renames", err, cloud.Denied)
		_, err = w.RenameSSHKey(ctx, stranger, "", string(k.ID), "mine")
		w.fails("stranger renames", err, cloud.NotFound)
		_, err = w.RenameSSHKey(ctx, writer, "acme", "laptop", "my key")
		w.fails("name that is none", err, cloud.Invalid)
		w.ok(w.CreateSSHKey(ctx, writer, &cloud.SSHKey{AccountID: a.ID, Name: "other", PublicKey: ed25519Key}))
		_, err = w.RenameSSHKey(ctx, writer, "acme", "other", "laptop")
		w.fails("name that is taken", err, cloud.Conflict)
		renamed, err := w.RenameSSHKey(ctx, writer, "acme", "other", "spare")
		w.ok(err)
		if renamed.Name != "spare" || renamed.Version != 2 || len(w.events("ssh-key.update")) != 2 { // and the reader's refusal
			t.Errorf("renamed to %+v", renamed)
		}

		got, err := w.SSHKey(ctx, reader, "acme", "laptop")
		w.ok(err)
		if got.ID != k.ID {
			t.Errorf("by name: %+v", got)
		}
		_, err = w.SSHKey(ctx, stranger, "", string(k.ID))
		_, absent := w.SSHKey(ctx, stranger, "", string(k.AccountID))
		w.hidden("stranger reads", err, absent, string(k.ID), string(k.AccountID))
		_, err = w.SSHKey(ctx, stranger, "acme", "laptop")
		_, absent = w.SSHKey(ctx, stranger, "absent", "laptop")
		w.hidden("stranger reads by name", err, absent, "acme", "absent")

		w.fails("reader deletes", w.DeleteSSHKey(ctx, reader, "acme", "laptop"), cloud.Denied)
		w.ok(w.DeleteSSHKey(ctx, writer, "acme", "laptop"))
		_, err = w.SSHKey(ctx, reader, "acme", "laptop")
		w.fails("deleted", err, cloud.NotFound)
	})
}
