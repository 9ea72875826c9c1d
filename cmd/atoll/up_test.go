package main

import "testing"

func TestHostOf(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1", "cloud.example.com:443": "cloud.example.com", "[2001:db8::7]:443": "2001:db8::7",
		"0.0.0.0:443": "", "[::]:443": "", ":443": "", "nonsense": "",
	} {
		if got := hostOf(listen); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", listen, got, want)
		}
	}
}
