package pki

import (
	"encoding/base32"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestTOTPVectors are the values of RFC 6238, appendix B, for SHA-1.
func TestTOTPVectors(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := hotp([]byte("12345678901234567890"), stepAt(time.Unix(at, 0)), 8); got != want {
			t.Errorf("code at %d = %s, want %s", at, got, want)
		}
	}
	// And of RFC 4226, appendix D.
	for counter, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := hotp([]byte("12345678901234567890"), int64(counter), 6); got != want {
			t.Errorf("code %d = %s, want %s", counter, got, want)
		}
	}
}

func TestCheckTOTP(t *testing.T) {
	t.Parallel()
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	now := time.Unix(1234567890, 0)
	at := func(d time.Duration) string {
		code, err := TOTP(secret, now.Add(d))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	step := stepAt(now)
	for _, tt := range []struct {
		name string
		code string
		used int64
		want int64 // 0 is refused
	}{
		{"now", at(0), 0, step},
		{"one before", at(-totpPeriod), 0, step - 1},
		{"one after", at(totpPeriod), 0, step + 1},
		{"two before", at(-2 * totpPeriod), 0, 0},
		{"two after", at(2 * totpPeriod), 0, 0},
		{"used", at(0), step, 0},
		{"before the used one", at(-totpPeriod), step, 0},
		{"after the used one", at(totpPeriod), step, step + 1},
		{"empty", "", 0, 0},
		{"longer", at(0) + "0", 0, 0},
		{"part", at(0)[:5], 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := CheckTOTP(secret, tt.code, now, tt.used)
			if got != tt.want || ok != (tt.want != 0) {
				t.Errorf("CheckTOTP(%q, used %d) = %d, %t; want %d", tt.code, tt.used, got, ok, tt.want)
			}
		})
	}
	if _, ok := CheckTOTP("no base32!", at(0), now, 0); ok {
		t.Error("a secret that is none accepts a code")
	}
}

func TestTOTPSecret(t *testing.T) {
	t.Parallel()
	a, b := NewTOTPSecret(), NewTOTPSecret()
	if len(a) != 32 || a == b {
		t.Errorf("secrets %q, %q", a, b)
	}
	u, err := url.Parse(TOTPURI("Acme Cloud", "ada@example.org", a))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Acme Cloud:ada@example.org" || q.Get("secret") != a || q.Get("issuer") != "Acme Cloud" {
		t.Errorf("URI %s", u)
	}
	if got := u.RawQuery; !strings.Contains(got, "issuer=Acme%20Cloud") {
		t.Errorf("URI %s has a + for a space, which apps show", got)
	}
}
