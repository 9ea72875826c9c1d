package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// logChunk is a chunk of an attempt's output: lines as an agent writes them.
func logChunk(t *testing.T, ref wire.JobRef, sequence int64, texts ...string) wire.LogChunk {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		if err := json.NewEncoder(&b).Encode(wire.LogLine{At: cloud.Now().Time(), Level: 5, Text: text, Attempt: ref.Repeated()}); err != nil {
			t.Fatal(err)
		}
	}
	return wire.LogChunk{JobRef: ref, Sequence: sequence, Data: b.String()}
}

func TestLogKeepsTheOutputOfEachAttempt(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		j := &cloud.Job{ID: cloud.NewID[cloud.JobID](), Action: cloud.ActionNoop, TargetRole: cloud.RoleCompute}
		j.Normalise()
		inTx(t, c, func(tx *store.Tx) error { return tx.InsertJobs([]*cloud.Job{j}) })
		for _, chunk := range []wire.LogChunk{
			logChunk(t, wire.JobRef{ID: j.ID, Token: 1}, 0, "first a", "first b"),
			logChunk(t, wire.JobRef{ID: j.ID, Token: 1}, 1, "first c"),
			logChunk(t, wire.JobRef{ID: j.ID, Token: 2}, 0, "second a"),
		} {
			if err := c.storeLog(t.Context(), chunk); err != nil {
				t.Fatal(err)
			}
		}
		// The third attempt has little output, which is in the row alone; it is told apart.
		storetest.Exec(t, c.DB, fmt.Sprintf("UPDATE jobs SET state = 'succeeded', finished_at = 1000000, segments = 2, token = 3, attempt = 3, output = 'third a\nthird b\n', streams = 'oe' WHERE id = '%s'", j.ID))

		var all bytes.Buffer
		if err := c.JobLog(t.Context(), operator, j.ID, 0, true, &all); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range bytes.Lines(all.Bytes()) {
			var l wire.LogLine
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, strings.TrimSpace(fmt.Sprint(l.Attempt, " ", l.Text, " ", l.Stream)))
		}
		if want := "[0 first a 0 first b 0 first c 2 second a 3 third a 3 third b stderr]"; fmt.Sprint(got) != want {
			t.Errorf("log = %v, want %s", got, want)
		}
		for offset := 0; offset <= all.Len()+1; offset++ {
			var rest bytes.Buffer
			want := all.Bytes()[min(offset, all.Len()):]
			if err := c.JobLog(t.Context(), operator, j.ID, int64(offset), false, &rest); err != nil || !bytes.Equal(rest.Bytes(), want) {
				t.Fatalf("from byte %d on: %q, %v; want %q", offset, rest.Bytes(), err, want)
			}
		}

		c.Retention.Output = time.Hour
		if err := c.retainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		for e, err := range c.Blobs.List(t.Context(), "logs/") {
			t.Errorf("after retention there is %s, %v", e.Key, err)
		}
	})
}
