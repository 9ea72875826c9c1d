package cloud

import "testing"

func TestPrintable(t *testing.T) {
	for _, text := range []string{"", "Cloud of ACME", "Wolke\u00A07", "סביבה\u200F!", "👨\u200D👩\u200D👧", "naïve é"} {
		if !printable(text, "") {
			t.Errorf("%q is refused", text)
		}
	}
	for _, text := range []string{"two\nlines", "a\tb", "a\u2028b", "\u0085", "bell\a", "\x7f", "user\u202Egpj.exe", "not \xff UTF-8"} {
		if printable(text, "") {
			t.Errorf("%q is taken", text)
		}
	}
	if !printable("two\nlines\tof it", "\n\t") || printable("a\r\n", "\n\t") {
		t.Error("what is also allowed is not what was said")
	}
}
