package pki

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What authenticator apps take without being told: RFC 6238 with HMAC-SHA-1, which
// is safe in an HMAC, six digits, and a new code each half minute.
const (
	totpDigits = 6
	totpPeriod = 30 * time.Second
	totpSecret = 20 // bytes
	// totpSkew is how many codes before and after the present one count too: clocks
	// differ, and people take their time.
	totpSkew = 1
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTPSecret returns a new secret of codes by time, in base32.
func NewTOTPSecret() string {
	b := make([]byte, totpSecret)
	_, _ = rand.Read(b) // never fails
	return base32Text.EncodeToString(b)
}

// TOTPURI is the secret in the form that authenticator apps read as a QR code.
func TOTPURI(issuer, user, secret string) string {
	q := url.Values{
		"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"},
		"digits": {fmt.Sprint(totpDigits)}, "period": {fmt.Sprint(int(totpPeriod.Seconds()))},
	}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + user}
	return u.String() + "?" + strings.ReplaceAll(q.Encode(), "+", "%20") // apps show a + as it is
}

// TOTP returns the code of the secret at the time.
func TOTP(secret string, at time.Time) (string, error) {
	key, err := base32Text.DecodeString(secret)
	if err != nil {
		return "", fmt.Errorf("secret of codes by time: %w", err)
	}
	return hotp(key, stepAt(at), totpDigits), nil
}

// CheckTOTP tells whether the code is the secret's at the time, or close to it, and
// newer than the step of the last code that was used. It returns the code's step,
// which is to be kept: so no code counts twice.
func CheckTOTP(secret, code string, at time.Time, used int64) (step int64, ok bool) {
	key, err := base32Text.DecodeString(secret)
	if err != nil {
		return 0, false
	}
	now := stepAt(at)
	for s := now - totpSkew; s <= now+totpSkew; s++ { // all of them: the time tells nothing
		if subtle.ConstantTimeCompare([]byte(hotp(key, s, totpDigits)), []byte(code)) == 1 && s > used {
			step, ok = s, true
		}
	}
	return step, ok
}

func stepAt(at time.Time) int64 { return at.Unix() / int64(totpPeriod.Seconds()) }

// hotp is RFC 4226.
func hotp(key []byte, counter int64, digits int) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, counter) // a hash does not fail
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	mod := uint32(1)
	for range digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%mod)
}
