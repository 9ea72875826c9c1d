package pki

import (
	"errors"
	"testing"
)

func TestValueKey(t *testing.T) {
	k, err := OpenValueKey(NewValueKey())
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal("open sesame", "project 1")
	if got, err := k.Open(sealed, "project 1"); err != nil || got != "open sesame" {
		t.Errorf("Open() = %q, %v", got, err)
	}
	if sealed == k.Seal("open sesame", "project 1") {
		t.Error("the same text is sealed alike twice")
	}
	other, err := OpenValueKey(NewValueKey())
	if err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() (string, error){
		"another place": func() (string, error) { return k.Open(sealed, "project 2") },
		"another key":   func() (string, error) { return other.Open(sealed, "project 1") },
		"no base64":     func() (string, error) { return k.Open("%", "project 1") },
		"nothing":       func() (string, error) { return k.Open("", "project 1") },
	} {
		if got, err := open(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: Open() = %q, %v, want ErrSealed", what, got, err)
		}
	}
	if _, err := OpenValueKey([]byte("short")); err == nil {
		t.Error("a short key is taken")
	}
}
