// Package faults breaks a running Atoll on purpose and looks from outside
// whether anything was lost: the built program as controllers, agents and
// simulated nodes in processes of their own, under load, which are killed,
// frozen, cut off, given a wrong clock and a full disk, as a seed says.
//
// It is for tests only and must never be imported by the product; it touches
// nothing on the host that it did not make.
package faults

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// story is what happened in a run, and what is wrong.
type story struct {
	begin time.Time
	mu    sync.Mutex
	lines []string
	wrong []string
}

func newStory() *story { return &story{begin: time.Now()} }

// note adds to the timeline.
func (s *story) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%8.3f  %s", time.Since(s.begin).Seconds(), fmt.Sprintf(format, args...)))
}

// bad records what must not be.
func (s *story) bad(format string, args ...any) {
	s.note("WRONG: "+format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *story) sound() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.wrong) == 0
}

// tell is what a failing seed prints: what broke, the timeline, and the ends of
// the logs.
func (s *story) tell(logs []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\ntimeline:\n%s\n", strings.Join(s.wrong, "\n"), strings.Join(s.lines, "\n"))
	for _, file := range logs {
		text, _ := os.ReadFile(file) // what there is helps
		fmt.Fprintf(&b, "\n%s:\n", file)
		lines := slices.Collect(strings.Lines(string(text)))
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "msg=request ") })
		for _, l := range lines[max(0, len(lines)-15):] {
			b.WriteString(l)
		}
	}
	return b.String()
}
