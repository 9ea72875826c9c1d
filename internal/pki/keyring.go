package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrSealed is wrapped by errors of Keyring.Open: the text cannot be opened with these keys.
var ErrSealed = errors.New("sealed text cannot be opened")

// Keyring seals the secrets of the store with versioned master keys from a file. Every version
// opens; which one seals is the caller's to say, who knows whether all readers have it. Its
// methods may be called concurrently.
type Keyring struct {
	path string

	mu     sync.RWMutex
	boxes  map[int]box
	newest int
}

// box is one version of the master key.
type box struct {
	cipher.AEAD
	id string
}

// OpenKeyring reads the key file: lines "version:base64 of 32 bytes", # for comments. The error
// wraps fs.ErrNotExist if there is none.
func OpenKeyring(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// LoadKeyring is OpenKeyring, but if there is no file it makes one with mode 0600 and a new key,
// and says so: it is for a store that holds no sealed text yet.
func LoadKeyring(path string) (k *Keyring, created bool, err error) {
	k, err = OpenKeyring(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	err = createFile(path, []byte(keyFileHead+newKeyLine(1)), 0o600)
	created = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process may have been faster
		return nil, false, fmt.Errorf("key file %s: %w", path, err)
	}
	k, err = OpenKeyring(path)
	return k, created, err
}

// Newest returns the newest version in the file.
func (k *Keyring) Newest() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.newest
}

// ID returns the id of a version's key, "" if it is not there. It tells keys apart and nothing
// about them.
func (k *Keyring) ID(version int) string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.boxes[version].id
}

// IDs returns the ids of all keys.
func (k *Keyring) IDs() []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var ids []string
	for _, version := range slices.Sorted(maps.Keys(k.boxes)) {
		ids = append(ids, k.boxes[version].id)
	}
	return ids
}

// Seal encrypts and authenticates plaintext with AES-256-GCM under a version of the key and
// returns "v<version>:<base64>". The same additionalData must be given to Open: name the row and
// column, so that a sealed text cannot be moved to another place.
func (k *Keyring) Seal(version int, plaintext, additionalData []byte) (string, error) {
	b, err := k.box(version)
	if err != nil {
		return "", err
	}
	return "v" + strconv.Itoa(version) + ":" + base64.StdEncoding.EncodeToString(b.Seal(nil, nil, plaintext, additionalData)), nil
}

// SealedBy returns the version that sealed a text; 0 if it is no sealed text.
func SealedBy(sealed string) int {
	version, _, err := splitSealed(sealed)
	if err != nil {
		return 0
	}
	return version
}

// Open returns what was sealed. Errors wrap ErrSealed: the text is malformed, was changed, belongs
// to another place, or its key is not in the key file.
func (k *Keyring) Open(sealed string, additionalData []byte) ([]byte, error) {
	version, data, err := splitSealed(sealed)
	if err != nil {
		return nil, err
	}
	b, err := k.box(version)
	if err != nil {
		return nil, err
	}
	plain, err := b.Open(nil, nil, data, additionalData)
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed or moved, or version %d in %s is another key", ErrSealed, version, k.path)
	}
	return plain, nil
}

// Check returns an error that says which key is needed if the key file is not the one that
// belongs to what was sealed. id is that of the key that sealed it, "" if it is not known.
func (k *Keyring) Check(sealed, id string, additionalData []byte) error {
	version := SealedBy(sealed)
	if has := k.ID(version); has != "" && id != "" && has != id {
		return fmt.Errorf("%w: it needs master key %d with the id %s, and key %d in %s is another one (id %s)", ErrSealed, version, id, version, k.path, has)
	}
	_, err := k.Open(sealed, additionalData)
	return err
}

// Add adds a new version to the key file and returns it. Nothing is sealed with it until a
// caller asks for it; others that read the file know it after Reload.
func (k *Keyring) Add() (version int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if version, err = k.add(); err != nil {
		return 0, fmt.Errorf("key file %s: %w", k.path, err)
	}
	return version, nil
}

func (k *Keyring) add() (int, error) {
	// Two processes that add the same version would lose one of the keys. The file itself is
	// replaced, so the lock is on its folder.
	dir, err := os.Open(filepath.Dir(k.path))
	if err != nil {
		return 0, err
	}
	defer func() { _ = dir.Close() }() // releases the lock
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return 0, fmt.Errorf("lock its folder: %w", err)
	}
	text, info, err := readKeys(k.path)
	if err != nil {
		return 0, err
	}
	_, newest, err := parseKeys(text)
	if err != nil {
		return 0, err
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += newKeyLine(newest + 1)
	boxes, newest, err := parseKeys(text)
	if err != nil {
		return 0, err
	}
	if err := replaceFile(k.path, []byte(text), info.Mode().Perm()); err != nil {
		return 0, err
	}
	k.boxes, k.newest = boxes, newest
	return newest, nil
}

// box returns the cipher of a version, reading the file again if another process added it.
func (k *Keyring) box(version int) (box, error) {
	for try := range 2 {
		k.mu.RLock()
		b, ok := k.boxes[version]
		known := slices.Sorted(maps.Keys(k.boxes))
		k.mu.RUnlock()
		if ok {
			return b, nil
		}
		if try > 0 {
			return box{}, fmt.Errorf("%w: it needs master key %d, and %s has %v: put that line back", ErrSealed, version, k.path, known)
		}
		if err := k.Reload(); err != nil {
			return box{}, fmt.Errorf("%w: %w", ErrSealed, err)
		}
	}
	return box{}, ErrSealed
}

// Reload reads the key file again. With an error the keys are those from before.
func (k *Keyring) Reload() error {
	text, _, err := readKeys(k.path)
	if err != nil {
		return fmt.Errorf("key file %s: %w", k.path, err)
	}
	boxes, newest, err := parseKeys(text)
	if err != nil {
		return fmt.Errorf("key file %s: %w", k.path, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.boxes, k.newest = boxes, newest
	return nil
}

func readKeys(path string) (string, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	// Group may read it: that is how Kubernetes mounts secrets for a non-root user.
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		return "", nil, fmt.Errorf("mode %04o lets others read or change it: chmod 600", mode)
	}
	text, err := os.ReadFile(path)
	return string(text), info, err
}

const keyFileHead = "# Atoll master keys. Without this file the secrets in the store are lost; it is not in backups.\n"

func newKeyLine(version int) string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: see crypto/rand
	return strconv.Itoa(version) + ":" + base64.StdEncoding.EncodeToString(key) + "\n"
}

// keyID is short, as it only tells keys apart: a MAC, so that it helps nobody to guess the key.
func keyID(key []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("atoll master key id"))
	return hex.EncodeToString(m.Sum(nil)[:8])
}

func parseKeys(text string) (boxes map[int]box, newest int, err error) {
	boxes = map[int]box{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		num, encoded, _ := strings.Cut(line, ":")
		version, err := strconv.Atoi(num)
		key, err2 := base64.StdEncoding.DecodeString(encoded)
		if err != nil || err2 != nil || version < 1 || len(key) != 32 {
			return nil, 0, fmt.Errorf("line %d: not VERSION:BASE64 with a version from 1 and a key of 32 bytes", n)
		}
		if boxes[version].AEAD != nil {
			return nil, 0, fmt.Errorf("line %d: version %d is there twice", n, version)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, 0, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, 0, err
		}
		boxes[version] = box{aead, keyID(key)}
		newest = max(newest, version)
	}
	if newest == 0 {
		return nil, 0, errors.New("no key in it: restore it, or remove it if nothing was sealed yet")
	}
	return boxes, newest, nil
}

func splitSealed(sealed string) (version int, data []byte, err error) {
	head, text, ok := strings.Cut(sealed, ":")
	if ok && strings.HasPrefix(head, "v") {
		var err2 error
		version, err = strconv.Atoi(head[1:])
		data, err2 = base64.StdEncoding.DecodeString(text)
		ok = err == nil && err2 == nil
	}
	if !ok || version < 1 {
		return 0, nil, fmt.Errorf("%w: not of the form vVERSION:BASE64", ErrSealed)
	}
	return version, data, nil
}
