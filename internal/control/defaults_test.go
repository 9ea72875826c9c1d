package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
)

func TestAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := answers{byID: map[string]*answer{}}
		a.ctx, a.stop = context.WithCancel(t.Context())
		defer a.end()
		var mu sync.Mutex
		runs, fail := 0, false
		ask := func(context.Context) (string, error) {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			runs++
			if fail {
				return "", errors.New("no")
			}
			return fmt.Sprint("answer ", runs), nil
		}
		get := func(want string) {
			t.Helper()
			if got, err := a.get(t.Context(), "id", time.Now(), ask); err != nil || got != want {
				t.Errorf("get() = %q, %v; want %q", got, err, want)
			}
		}
		fail = true
		if got, err := a.get(t.Context(), "id", time.Now(), ask); err == nil {
			t.Errorf("a script that fails answers %q", got)
		}
		fail = false
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { get("answer 2") }) // those who ask at once share one run, after the failure
		}
		all.Wait()
		time.Sleep(cacheFresh - time.Minute)
		get("answer 2")
		time.Sleep(2 * time.Minute)
		get("answer 2") // an old one once more, while a new one is asked for
		time.Sleep(2 * time.Second)
		get("answer 3")

		fail = true
		time.Sleep(cacheFresh + time.Minute)
		get("answer 3")
		time.Sleep(2 * time.Second)
		get("answer 3") // a failure takes nothing away
		synctest.Wait()
		time.Sleep(cacheStale)
		if got, err := a.get(t.Context(), "id", time.Now(), ask); err == nil {
			t.Errorf("an answer is used after a day: %q", got)
		}
	})
}

// Who tries many configurations fills no memory.
func TestAnswersAreBounded(t *testing.T) {
	a := answers{byID: map[string]*answer{}}
	a.ctx, a.stop = context.WithCancel(t.Context())
	defer a.end()
	begin := time.Now()
	for i := range maxAnswers + 100 {
		id := fmt.Sprint(i)
		if _, err := a.get(t.Context(), id, begin, func(context.Context) (string, error) { return id, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(a.byID); n > maxAnswers || a.byID["0"] != nil || a.byID[fmt.Sprint(maxAnswers+99)] == nil {
		t.Errorf("%d answers are kept", n)
	}
}

func TestConfigChange(t *testing.T) {
	old := cloud.Overrides{{Key: "a", Value: "1"}, {Key: "s", Value: "sealed", Secret: true}}
	for _, tt := range []struct {
		name string
		in   ConfigChange
		want cloud.Overrides // nil means refused
	}{
		{"set", ConfigChange{Set: cloud.Overrides{{Key: "a", Value: "2"}, {Key: "b", Value: "3"}}}, cloud.Overrides{{Key: "a", Value: "2"}, old[1], {Key: "b", Value: "3"}}},
		{"unset", ConfigChange{Unset: []string{"a"}}, old[1:]},
		{"unset what is not there", ConfigChange{Unset: []string{"z"}}, nil},
		{"replace", ConfigChange{Replace: &cloud.Overrides{{Key: "c", Value: "1"}}}, cloud.Overrides{{Key: "c", Value: "1"}}},
		{"replace by nothing", ConfigChange{Replace: &cloud.Overrides{}}, cloud.Overrides{}},
		{"a secret as it is shown keeps its value", ConfigChange{Replace: &cloud.Overrides{{Key: "s", Value: cloud.SecretMask, Secret: true}}}, old[1:]},
		{"a new secret without a value", ConfigChange{Set: cloud.Overrides{{Key: "t", Secret: true}}}, nil},
		{"no key", ConfigChange{Set: cloud.Overrides{{Value: "x"}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.in.apply("application", old)
			switch {
			case tt.want == nil:
				if !cloud.Is(err, cloud.Invalid) {
					t.Errorf("apply() = %v, %v; want it refused", got, err)
				}
			case err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want):
				t.Errorf("apply() = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}
