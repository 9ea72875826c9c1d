package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
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

// Keyring seals the secrets of the store with versioned master keys from a file. The newest
// version seals, every version opens. Its methods may be called concurrently.
type Keyring struct {
	path string

	mu     sync.RWMutex
	boxes  map[int]cipher.AEAD
	newest int
}

// LoadKeyring reads the key file: lines "version:base64 of 32 bytes", # for comments. If there is
// no file it makes one with mode 0600 and a new key, and says so: a caller whose store already
// holds sealed text must then stop, because the right key file is missing.
func LoadKeyring(path string) (k *Keyring, created bool, err error) {
	k = &Keyring{path: path}
	err = k.reload()
	if errors.Is(err, fs.ErrNotExist) {
		created = true
		if err = createFile(path, []byte(keyFileHead+newKeyLine(1)), 0o600); errors.Is(err, fs.ErrExist) {
			created, err = false, nil // another process was faster
		}
		if err == nil {
			err = k.reload()
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, created, nil
}

// Newest returns the version that seals.
func (k *Keyring) Newest() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.newest
}

// Seal encrypts and authenticates plaintext with AES-256-GCM and returns "v<version>:<base64>".
// The same additionalData must be given to Open: name the row and column, so that a sealed text
// cannot be moved to another place.
func (k *Keyring) Seal(plaintext, additionalData []byte) string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	sealed := k.boxes[k.newest].Seal(nil, nil, plaintext, additionalData)
	return "v" + strconv.Itoa(k.newest) + ":" + base64.StdEncoding.EncodeToString(sealed)
}

// Open returns what was sealed. Errors wrap ErrSealed: the text is malformed, was changed, belongs
// to another place, or its key is not in the key file.
func (k *Keyring) Open(sealed string, additionalData []byte) ([]byte, error) {
	version, data, err := splitSealed(sealed)
	if err != nil {
		return nil, err
	}
	box, err := k.box(version)
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(nil, nil, data, additionalData)
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed or moved, or version %d in %s is another key", ErrSealed, version, k.path)
	}
	return plain, nil
}

// Stale tells whether sealed was made with an older version and should be sealed again.
func (k *Keyring) Stale(sealed string) bool {
	version, _, err := splitSealed(sealed)
	return err == nil && version != k.Newest()
}

// Rotate adds a new version to the key file, seals with it from now on and returns it. Old
// versions stay until the operator removes their lines after everything was sealed again. Other
// controllers read a copied file again when they meet a version that they do not know.
func (k *Keyring) Rotate() (version int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if version, err = k.rotate(); err != nil {
		return 0, fmt.Errorf("key file %s: %w", k.path, err)
	}
	return version, nil
}

func (k *Keyring) rotate() (int, error) {
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
func (k *Keyring) box(version int) (cipher.AEAD, error) {
	for try := range 2 {
		k.mu.RLock()
		box, ok := k.boxes[version]
		known := slices.Sorted(maps.Keys(k.boxes))
		k.mu.RUnlock()
		if ok {
			return box, nil
		}
		if try > 0 {
			return nil, fmt.Errorf("%w: it needs key version %d, and %s has %v: put that line back", ErrSealed, version, k.path, known)
		}
		if err := k.reload(); err != nil {
			return nil, fmt.Errorf("%w: key file %s: %w", ErrSealed, k.path, err)
		}
	}
	return nil, ErrSealed
}

func (k *Keyring) reload() error {
	text, _, err := readKeys(k.path)
	if err != nil {
		return err
	}
	boxes, newest, err := parseKeys(text)
	if err != nil {
		return err
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

func parseKeys(text string) (boxes map[int]cipher.AEAD, newest int, err error) {
	boxes = map[int]cipher.AEAD{}
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
		if boxes[version] != nil {
			return nil, 0, fmt.Errorf("line %d: version %d is there twice", n, version)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, 0, err
		}
		if boxes[version], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, 0, err
		}
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
