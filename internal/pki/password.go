package pki

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The first choice of OWASP's password storage guide for argon2id.
const (
	argonMemory  = 46 * 1024 // KiB
	argonTime    = 1
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// Limits for stored hashes, so that a row cannot make a login take the machine's memory.
const (
	argonLeast     = 8          // KiB
	argonMaxMemory = 256 * 1024 // KiB
	argonMaxTime   = 16
)

// MaxPassword is the longest password in bytes.
const MaxPassword = 1024

// Passwords hashes and checks passwords with argon2id. Each computation takes 46 MiB, so only a
// few run at a time; callers wait for their turn until their context ends.
type Passwords struct {
	turn   chan struct{}
	memory uint32 // KiB of a new hash
}

// NewPasswords allows n computations at a time (at least 1).
func NewPasswords(n int) *Passwords {
	return &Passwords{turn: make(chan struct{}, max(n, 1)), memory: argonMemory}
}

// PasswordsForTest is NewPasswords for tests of what logins lead to: its hashes take no time, and
// are worth nothing.
func PasswordsForTest(n int) *Passwords {
	p := NewPasswords(n)
	p.memory = argonLeast
	return p
}

// Hash returns the hash of a password in PHC string format.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if password == "" || len(password) > MaxPassword {
		return "", fmt.Errorf("password: 1 to %d bytes are required", MaxPassword)
	}
	h := phc{memory: p.memory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt)}
	if _, err := rand.Read(h.salt); err != nil {
		return "", err
	}
	key, err := p.compute(ctx, h, password, argonKey)
	if err != nil {
		return "", err
	}
	h.key = key
	return h.String(), nil
}

// Check tells whether password is the one that hash was made of, and if so whether hash was made
// with older parameters and should be made anew. With an empty hash (no such user, or a user
// without password) it takes as long as usual and answers false, so that the time tells nothing.
func (p *Passwords) Check(ctx context.Context, hash, password string) (ok, needsRehash bool, err error) {
	if len(password) > MaxPassword {
		return false, false, nil
	}
	h := phc{memory: p.memory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}
	if hash != "" {
		if h, err = parsePHC(hash); err != nil {
			return false, false, err
		}
	}
	key, err := p.compute(ctx, h, password, uint32(len(h.key)))
	if err != nil {
		return false, false, err
	}
	if subtle.ConstantTimeCompare(key, h.key) != 1 || hash == "" {
		return false, false, nil
	}
	current := h.memory == p.memory && h.time == argonTime && h.threads == argonThreads &&
		len(h.key) == argonKey && len(h.salt) == argonSalt
	return true, !current, nil
}

func (p *Passwords) compute(ctx context.Context, h phc, password string, n uint32) ([]byte, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other logins: %w", ctx.Err())
	}
	defer func() { <-p.turn }()
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, n), nil
}

// phc is a parsed hash: $argon2id$v=19$m=…,t=…,p=…$salt$key.
type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

var errPHC = errors.New("stored password hash is not a valid argon2id PHC string: set the password anew")

func parsePHC(text string) (phc, error) {
	part := strings.Split(text, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errPHC
	}
	var h phc
	var err1, err2 error
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return phc{}, errPHC
	}
	h.salt, err1 = base64.RawStdEncoding.DecodeString(part[4])
	h.key, err2 = base64.RawStdEncoding.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 64 ||
		h.memory < argonLeast || h.memory > argonMaxMemory || h.time < 1 || h.time > argonMaxTime || h.threads < 1 {
		return phc{}, errPHC
	}
	return h, nil
}
