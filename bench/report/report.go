// Package report is what all measuring programs share: reading flags, ending on
// Ctrl-C, printing figures, and the arithmetic on them.
//
// It must never know what is measured, nor be imported by the product.
package report

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Main is the main function of a benchmark: it reads the flags, measures, and
// prints the figures, as a sentence or as one line of JSON. Ctrl-C ends the
// measurement, which then cleans up.
func Main[F fmt.Stringer](measure func(ctx context.Context) (F, error)) {
	asJSON := flag.Bool("json", false, "print one line of JSON")
	flag.Parse()
	name := filepath.Base(os.Args[0])
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "%s: %q is no flag\n", name, flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	figures, err := measure(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	if !*asJSON {
		fmt.Println(figures)
		return
	}
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		os.Exit(1)
	}
}

// Percentile returns what the share p of the durations does not exceed, in
// milliseconds; it sorts them.
func Percentile(list []time.Duration, p float64) float64 {
	slices.Sort(list)
	return MS(list[max(0, int(math.Ceil(p*float64(len(list))))-1)])
}

// MS is the duration in milliseconds.
func MS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// MiB is the number of bytes in MiB, with one digit.
func MiB(bytes int64) float64 { return Round(float64(bytes)/(1<<20), 1) }

// Round cuts digits that measure nothing.
func Round(f float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(f*scale) / scale
}

// Until waits until try succeeds.
func Until(ctx context.Context, what string, limit time.Duration, try func() error) error {
	for end := time.Now().Add(limit); ; {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Now().After(end):
			return fmt.Errorf("not within %s: %s: %w", limit, what, err)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
