package faults

import (
	"context"
	"testing"
	"time"

	"atoll/api"
	"atoll/internal/wire"
	"atoll/test/program"
)

// An agent whose controller's host is gone without a word, so that no reset tells
// of it, turns to another controller long before its exchange would be over.
func TestControllerIsGoneWithoutAWord(t *testing.T) {
	program.Alone(t)
	s := newStory()
	w, err := newWorld(s, program.Build(t, "-tags", "faults", "-ldflags", "-s -w"), t.TempDir(), setup{controllers: 2, postgres: true})
	defer func() {
		w.close()
		if t.Failed() {
			t.Log(s.tell(w.logs()))
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	for i, agent := range w.agents { // they are at the first of their controllers
		w.wires[agent][0].swallow()
		_, err := w.direct(1).Jobs().Create(context.Background(), api.JobCreate{Action: "noop", Node: agent.name})
		if err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	const detour = 5 * time.Second // from the first probe, and to the other controller
	if err := w.until("the jobs have run by way of the other controller", wire.GoneAfter+detour, w.jobsEnded); err != nil {
		t.Error(err)
	}
	w.heal()
	if err := w.until("all is quiet", patience, w.settled); err != nil {
		t.Error(err)
	}
}
