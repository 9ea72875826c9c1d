package script

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
)

// heard is what a Sink was told, with the result at the end.
type heard []string

// feed writes the parts, closes, and returns what was heard.
func feed(parts ...string) (got heard, w *Writer) {
	w = NewWriter(Sink{
		Line: func(level int, text string) { got = append(got, fmt.Sprintf("%d %s", level, text)) },
		Stat: func(key string, value float64, typ string) {
			got = append(got, fmt.Sprintf("stat %s %g %s", key, value, typ))
		},
	})
	for _, p := range parts {
		_, _ = w.Write([]byte(p))
	}
	_ = w.Close()
	if result, problem := w.Result(); result != nil || problem != "" {
		got = append(got, "result "+string(result)+problem)
	}
	return got, w
}

func TestWriter(t *testing.T) {
	badResult := "result the result (level 20) is no valid JSON"
	for _, tt := range []struct {
		name, in string
		want     heard
	}{
		{"plain", "a\n\nb\r\nc", heard{"5 a", "5 ", "5 b", "5 c"}},
		{"levels", "1::one\n9::nine\n4:: operator\n", heard{"1 one", "9 nine", "4  operator"}},
		{"no levels", "0::a\n11::b\n30::c\n::d\n100::e\n05::f\n-1::g\nx 3::h\n", heard{"5 0::a", "5 11::b", "5 30::c", "5 ::d", "5 100::e", "5 05::f", "5 -1::g", "5 x 3::h"}},
		{"block", "7:::\na\n3::b\n:::\nc\n", heard{"7 a", "7 3::b", "5 c"}},
		{"block with text", "7::: first\nsecond\n ::: \n5::c\n", heard{"7 first", "7 second", "5 c"}},
		{"block in a line", "7::: all good :::\nplain\n", heard{"7 all good", "5 plain"}},
		{"block without end", "8:::\na\nb", heard{"8 a", "8 b"}},
		{"statistics", "10::cpu.load:1.5|g\n10:::\nnet.rx:42|c\nodd\n:::\n", heard{"stat cpu.load 1.5 g", "stat net.rx 42 c", "5 odd"}},
		{"bad statistics", "10::x\n10::a:NaN|g\n10::a:1e999|g\n10::a:1|ms\n10::a b:1|g\n", heard{"5 x", "5 a:NaN|g", "5 a:1e999|g", "5 a:1|ms", "5 a b:1|g"}},
		{"result", "20::{\"a\": 1}\nb\n", heard{"5 b", `result {"a": 1}`}},
		{"last result", "20::1\n20:::\n[\n2]\n:::\n", heard{"result [\n2]"}},
		{"result without end", "20:::\n{\"a\":\n1}", heard{"result {\"a\":\n1}"}},
		{"bad result", "20::1\n20::{\n", heard{badResult}},
		{"no result", "20:::\n:::\n", heard{badResult}},
		{"long result", "20::\"" + strings.Repeat("x", cloud.MaxInlineResult) + "\"\n", heard{"result the result (level 20) has more than 4096 bytes; write large data as output or to a file"}},
		{"longer result", "20::\"" + strings.Repeat("x", 3*MaxLine) + "\"\n", heard{"result the result (level 20) has more than 4096 bytes; write large data as output or to a file"}},
		{"not UTF-8", "a\xffb\x00c\n", heard{"5 a\uFFFDb\uFFFDc"}},
		{"long line", "6::" + strings.Repeat("x", MaxLine) + "\nb\n", heard{"6 " + strings.Repeat("x", MaxLine-3) + splitMark, "6 xxx", "5 b"}},
		{"cut between characters", strings.Repeat("x", MaxLine-1) + "é\n", heard{"5 " + strings.Repeat("x", MaxLine-1) + splitMark, "5 é"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := feed(tt.in)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			split, _ := feed(strings.Split(tt.in, "")...)
			if d := cmp.Diff(tt.want, split); d != "" {
				t.Errorf("byte by byte: %s", d)
			}
		})
	}
}

func TestWriterCaps(t *testing.T) {
	lines, stats := 0, 0
	var last string
	w := NewWriter(Sink{
		Line: func(level int, text string) { lines++; last = text },
		Stat: func(string, float64, string) { stats++ },
	})
	for range MaxStats + 10 {
		_, _ = w.Write([]byte("10::a:1|g\n"))
	}
	if stats != MaxStats || lines != 1 {
		t.Errorf("%d statistics and %d lines, want %d and 1", stats, lines, MaxStats)
	}
	before := w.Bytes()
	chunk := []byte(strings.Repeat("y", 1<<20))
	for range cloud.MaxJobOutput/len(chunk) + 3 {
		_, _ = w.Write(chunk)
	}
	_ = w.Close()
	if want := before + cloud.MaxJobOutput + 3<<20; w.Bytes() != want {
		t.Errorf("Bytes() = %d, want %d", w.Bytes(), want)
	}
	if last != "output over 64 MiB is dropped" {
		t.Errorf("the last line is %.80q", last)
	}
}

// TestPlainWriters: each stream has lines of its own, and both have one cap.
func TestPlainWriters(t *testing.T) {
	var got heard
	sink := func(name string) Sink {
		return Sink{Line: func(level int, text string) { got = append(got, fmt.Sprintf("%s %d %.30s", name, level, text)) }}
	}
	out, errs := NewPlainWriters(sink("out"), sink("err"))
	write := func(w *Writer, text string) {
		t.Helper()
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	write(out, "3::ha")
	write(errs, "oh\xff\n")
	write(out, "lf\n")
	write(errs, "no end")
	half := strings.Repeat(strings.Repeat("y", 1<<10-1)+"\n", cloud.MaxJobOutput>>11)
	write(out, half)
	got = got[:2]
	write(errs, half)
	write(out, half)
	_, _ = out.Close(), errs.Close()
	if want := (heard{"err 5 oh\uFFFD", "out 5 3::half"}); !slices.Equal(got[:2], want) {
		t.Errorf("lines %q, want %q", got[:2], want)
	}
	warnings := slices.DeleteFunc(got, func(l string) bool { return !strings.Contains(l, "is dropped") })
	if want := (heard{"err 7 output over 64 MiB is dropped"}); !slices.Equal(warnings, want) {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
	if want := int64(3*len(half) + len("3::half\noh\xff\nno end")); out.Bytes() != want || errs.Bytes() != want {
		t.Errorf("Bytes() = %d and %d, want %d of both together", out.Bytes(), errs.Bytes(), want)
	}
}

func FuzzWriter(f *testing.F) {
	for _, seed := range []string{
		"a\n7:::\nb\n:::\n", "10::a:1|g\n", "20::{}\n", "20:::\n{", "7::: x :::\n", "\xff\x00\r\n", "::::::\n", "5::" + strings.Repeat("é", 9000),
	} {
		f.Add([]byte(seed), uint16(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		whole, w := feed(string(in))
		if w.Bytes() != int64(len(in)) {
			t.Errorf("Bytes() = %d of %d", w.Bytes(), len(in))
		}
		for _, s := range whole {
			if !utf8.ValidString(s) || len(s) > 3*MaxLine+100 || strings.HasPrefix(s, "5") && strings.ContainsAny(s, "\n\x00") {
				t.Errorf("told %.100q", s)
			}
		}
		if result, _ := w.Result(); result != nil && !json.Valid(result) {
			t.Errorf("result %q", result)
		}
		at := int(cut) % (len(in) + 1)
		if split, _ := feed(string(in[:at]), string(in[at:])); !cmp.Equal(whole, split) {
			t.Errorf("cut at %d: %s", at, cmp.Diff(whole, split))
		}
	})
}
