package pki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"
)

func TestSign(t *testing.T) {
	key, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	if key, err = ParseSigningKey(der); err != nil {
		t.Fatal(err)
	}
	other, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ParseVerifyKey(key.VerifyKey().String())
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign("script", []byte("#!/bin/sh"))
	if err != nil {
		t.Fatal(err)
	}
	forged := other.VerifyKey().ID() + sig[strings.Index(sig, ":"):]
	both := []VerifyKey{other.VerifyKey(), pub}
	for _, tt := range []struct {
		name, purpose, message, sig string
		keys                        []VerifyKey
		want                        string // "" means valid
	}{
		{"ok", "script", "#!/bin/sh", sig, both, ""},
		{"changed message", "script", "#!/bin/bash", sig, both, "changed after"},
		{"other purpose", "bundle", "#!/bin/sh", sig, both, "changed after"},
		{"unknown key", "script", "#!/bin/sh", sig, both[:1], "not one of this installation"},
		{"key id of another key", "script", "#!/bin/sh", forged, both, "changed after"},
		{"not a signature", "script", "#!/bin/sh", "x", both, "KEY:BASE64"},
		{"empty", "script", "#!/bin/sh", "", both, "KEY:BASE64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Verify(tt.keys, tt.purpose, []byte(tt.message), tt.sig)
			if tt.want == "" && err == nil {
				return
			}
			if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Verify() = %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := ParseSigningKey(mustKeyDER(t)); err == nil {
		t.Error("ParseSigningKey took an ECDSA key")
	}
}

func mustKeyDER(t *testing.T) []byte {
	t.Helper()
	der, err := MarshalKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestToken(t *testing.T) {
	plain, hash := NewToken("atoll")
	again, _ := NewToken("atoll")
	if !strings.HasPrefix(plain, "atoll_") || len(plain) < 30 || plain == again {
		t.Errorf("NewToken = %q, then %q", plain, again)
	}
	if !CheckToken(hash, plain) || CheckToken(hash, again) || CheckToken("", plain) || strings.Contains(hash, plain) {
		t.Error("CheckToken does not tell tokens apart")
	}
}

func TestPasswords(t *testing.T) {
	ctx, p := t.Context(), NewPasswords(2)
	hash, err := p.Hash(ctx, "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=47104,t=1,p=1$") {
		t.Fatalf("Hash = %q, %v", hash, err)
	}
	salt := []byte("0123456789abcdef")
	old := phc{memory: 8 * 1024, time: 3, threads: 2, salt: salt, key: argon2.IDKey([]byte("correct horse"), salt, 3, 8*1024, 2, 32)}.String()
	for _, tt := range []struct {
		name, hash, password string
		ok, rehash, bad      bool
	}{
		{"right", hash, "correct horse", true, false, false},
		{"wrong", hash, "correct hors", false, false, false},
		{"empty", hash, "", false, false, false},
		{"too long", hash, strings.Repeat("x", MaxPassword+1), false, false, false},
		{"older parameters", old, "correct horse", true, true, false},
		{"older parameters, wrong", old, "x", false, false, false},
		{"no such user", "", "correct horse", false, false, false},
		{"bcrypt", "$2a$10$abcdefghijklmnopqrstuv", "x", false, false, true},
		{"takes all memory", strings.Replace(hash, "m=47104", "m=4194304", 1), "x", false, false, true},
		{"cut off", hash[:len(hash)-30], "x", false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, rehash, err := p.Check(ctx, tt.hash, tt.password)
			if ok != tt.ok || rehash != tt.rehash || (err != nil) != tt.bad {
				t.Errorf("Check = %v, %v, %v", ok, rehash, err)
			}
		})
	}
	for _, bad := range []string{"", strings.Repeat("x", MaxPassword+1)} {
		if _, err := p.Hash(ctx, bad); err == nil {
			t.Errorf("Hash took a password of %d bytes", len(bad))
		}
	}
}

func PasswordsForTestWaitForTheirTurn(t *testing.T) {
	p := NewPasswords(1)
	p.turn <- struct{}{} // somebody computes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Hash(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash with all turns taken: %v", err)
	}
	<-p.turn
	if _, err := p.Hash(t.Context(), "x"); err != nil || len(p.turn) != 0 {
		t.Errorf("Hash afterwards: %v, %d turns taken", err, len(p.turn))
	}
}

func seal(t *testing.T, k *Keyring, version int, plain, place string) string {
	t.Helper()
	text, err := k.Seal(version, []byte(plain), []byte(place))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKeyringOfAnotherDatabase(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenKeyring(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenKeyring without file = %v", err)
	}
	if _, err := os.Stat(dir + "/none"); err == nil {
		t.Error("OpenKeyring made a file")
	}
	own, _, err := LoadKeyring(dir + "/own")
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := LoadKeyring(dir + "/other")
	if err != nil {
		t.Fatal(err)
	}
	text := seal(t, own, 1, "check", "place")
	if err := own.Check(text, own.ID(1), []byte("place")); err != nil {
		t.Error(err)
	}
	err = other.Check(text, own.ID(1), []byte("place"))
	for _, want := range []string{own.ID(1), other.ID(1), dir + "/other"} {
		if !errors.Is(err, ErrSealed) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("Check with another key = %v, want %q in it", err, want)
		}
	}
	if err := other.Check(text, "", []byte("place")); !errors.Is(err, ErrSealed) {
		t.Errorf("Check without an id = %v", err)
	}
}

func TestKeyring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	k, created, err := LoadKeyring(path)
	if err != nil || !created {
		t.Fatalf("LoadKeyring = created %v, %v", created, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	here := []byte("ca/key")
	v1 := seal(t, k, 1, "secret", "ca/key")
	if SealedBy(v1) != 1 || v1 == seal(t, k, 1, "secret", "ca/key") {
		t.Errorf("Seal = %q", v1)
	}
	second, created, err := LoadKeyring(path) // another process with the same file
	if err != nil || created {
		t.Fatalf("LoadKeyring again = created %v, %v", created, err)
	}

	version, err := k.Add()
	if err != nil || version != 2 || k.Newest() != 2 || second.Newest() != 1 {
		t.Fatalf("Add = %d, %v", version, err)
	}
	v2 := seal(t, k, 2, "secret", "ca/key")
	if SealedBy(v2) != 2 || SealedBy("secret") != 0 || len(k.IDs()) != 2 || k.ID(1) == k.ID(2) || k.ID(3) != "" {
		t.Errorf("v2 = %.8q, ids %v", v2, k.IDs())
	}
	if _, err := k.Seal(3, []byte("secret"), here); !errors.Is(err, ErrSealed) {
		t.Errorf("Seal with a version that is not there = %v", err)
	}
	for _, ring := range []*Keyring{k, second} {
		for _, text := range []string{v1, v2} {
			if got, err := ring.Open(text, here); err != nil || string(got) != "secret" {
				t.Errorf("Open(%.4s) = %q, %v", text, got, err)
			}
		}
	}
	if version, err := second.Add(); err != nil || version != 3 {
		t.Errorf("Add by the other process = %d, %v", version, err)
	}

	flipped := []byte(v2)
	if flipped[10] != 'A' { // stay within base64
		flipped[10] = 'A'
	} else {
		flipped[10] = 'B'
	}
	for _, tt := range []struct{ name, text, aad, want string }{
		{"tampered", string(flipped), "ca/key", "changed or moved"},
		{"moved to another place", v2, "totp/1", "changed or moved"},
		{"other version", "v1" + v2[2:], "ca/key", "changed or moved"},
		{"unknown version", "v9" + v2[2:], "ca/key", "needs master key 9"},
		{"cut off", "v2:AAAA", "ca/key", "changed or moved"},
		{"no version", "secret", "ca/key", "not of the form"},
		{"empty", "", "ca/key", "not of the form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := k.Open(tt.text, []byte(tt.aad)); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestKeyringAddsAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	var wg sync.WaitGroup
	sealed := make([]string, 8)
	for i := range sealed {
		wg.Go(func() {
			k, _, err := LoadKeyring(path)
			if err == nil {
				_, err = k.Add()
			}
			if err == nil {
				sealed[i], err = k.Seal(k.Newest(), []byte(fmt.Sprint(i)), nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k, created, err := LoadKeyring(path)
	if err != nil || created || k.Newest() != 9 {
		t.Fatalf("LoadKeyring = created %v, %v", created, err)
	}
	for i, text := range sealed {
		if got, err := k.Open(text, nil); err != nil || string(got) != fmt.Sprint(i) {
			t.Errorf("Open(%.4s) = %q, %v", text, got, err)
		}
	}
}

func TestKeyringBadFiles(t *testing.T) {
	good := newKeyLine(1)
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by others", good, 0o644, "chmod 600"},
		{"writable by the group", good, 0o660, "chmod 600"},
		{"empty", "# nothing\n", 0o600, "no key in it"},
		{"not a key", good + "2:AAAA\n", 0o600, "line 2"},
		{"no version", "x" + good, 0o600, "line 1"},
		{"twice", good + good, 0o600, "line 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "k")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, _, err := LoadKeyring(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("LoadKeyring: %v, want %q and the path", err, tt.want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(path, []byte(strings.TrimSuffix(good, "\n")), 0o440); err != nil {
		t.Fatal(err)
	}
	k, _, err := LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := k.Add(); err != nil || v != 2 {
		t.Errorf("Add to a file without final newline = %d, %v", v, err)
	}
}
