package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"atoll/api"
	"atoll/internal/cloud"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func batchOf(n int, node string) string {
	var b strings.Builder
	b.WriteString(`{"jobs":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"action":"noop","node":%q}`, node)
	}
	b.WriteString(`]}`)
	return b.String()
}

func TestBatch(t *testing.T) {
	w := newWorld(t)
	node := string(w.node("node-1"))
	a := w.post(w.admin, "/api/v1/jobs:batch", batchOf(500, "node-1"))
	a.status(201)
	var got api.JobBatchCreated
	if a.read(&got); len(got.IDs) != 500 {
		t.Fatalf("%d ids", len(got.IDs))
	}
	var j api.Job
	w.get(w.admin, "/api/v1/jobs/"+got.IDs[499]).read(&j)
	if j.State != "queued" || j.TargetNodeID != node || j.Action != "noop" || j.Timeout != "10m0s" {
		t.Errorf("job is %+v", j)
	}
	for _, tt := range []struct {
		name, body, field string
		status            int
		code              string
	}{
		{"too many", batchOf(1001, node), "jobs", 422, "invalid"},
		{"none", `{"jobs":[]}`, "jobs", 422, "invalid"},
		{"unknown field", `{"jobs":[{"action":"noop","node":"node-1","colour":1}]}`, "colour", 422, "invalid"},
		{"wrong type", `{"jobs":[{"action":7}]}`, "jobs.action", 422, "invalid"},
		{"no place", `{"jobs":[{"action":"noop","node":"node-1"},{"action":"noop"}]}`, "jobs[1].node", 422, "invalid"},
		{"no JSON", `{"jobs":`, "", 422, "invalid"},
		{"two values", `{"jobs":[]}{}`, "", 422, "invalid"},
		{"no such node", `{"jobs":[{"action":"noop","node":"nowhere"}]}`, "", 404, "not-found"},
		{"too large", `{"jobs":[{"action":"` + strings.Repeat("x", maxBody) + `"}]}`, "", 413, "too-large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := w.post(w.admin, "/api/v1/jobs:batch", tt.body)
			a.t = t
			a.problem(tt.status, tt.code, tt.field)
		})
	}
}

func TestJobs(t *testing.T) {
	w := newWorld(t)
	w.node("node-1")
	var j api.Job
	a := w.post(w.admin, "/api/v1/jobs", `{"command":["uname","-a"],"node":"node-1","timeout":"30s"}`)
	a.status(201)
	a.read(&j)
	if j.Action != "command" || string(j.Args) != `{"argv":["uname","-a"]}` || j.Timeout != "30s" {
		t.Errorf("job is %+v", j)
	}
	w.post(w.admin, "/api/v1/jobs", `{"command":["x"],"action":"noop","node":"node-1"}`).problem(422, "invalid", "command")
	w.post(w.admin, "/api/v1/jobs", `{"action":"noop"}`).problem(422, "invalid", "node")
	w.post(w.admin, "/api/v1/jobs", `{"action":"noop","node":"node-1","timeout":"-1s"}`).problem(422, "invalid", "timeout")
	a = w.post(w.admin, "/api/v1/jobs/"+j.ID+"/cancel", nil, "Prefer", "wait=10")
	a.status(200)
	if a.read(&j); j.State != "canceled" {
		t.Errorf("job is %+v", j)
	}
	logs := w.get(w.admin, "/api/v1/jobs/"+j.ID+"/logs?follow=true")
	logs.status(http.StatusOK)
	if ct := logs.Header.Get("Content-Type"); ct != ndjson {
		t.Errorf("logs are %s", ct)
	}
	w.get(w.admin, "/api/v1/jobs/"+cloud.NewID[string]()+"/logs").problem(404, "not-found", "")
}

func TestScripts(t *testing.T) {
	w := newWorld(t)
	source := "#!/bin/sh\n# description: says hello\necho hello\n"
	a := w.post(w.admin, "/api/v1/scripts?name=hello", source, "Content-Type", "text/x-shellscript")
	a.status(201)
	var v api.Script
	if a.read(&v); v.Name != "hello" || v.Revision != 1 || !v.Current {
		t.Errorf("script is %+v", v)
	}
	got := w.get(w.admin, "/api/v1/scripts/hello/source")
	if got.text != source || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") || got.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("source is %q, %v", got.text, got.Header)
	}
	w.post(w.admin, "/api/v1/scripts?name=bad", "no script").problem(422, "invalid", "script")
}

func TestUpload(t *testing.T) {
	w := newWorld(t)
	a := w.post(w.admin, "/api/v1/images:upload?name=disk&user=root", string(rawDisk()), "Content-Type", "application/octet-stream")
	a.status(201)
	var i api.Image
	if a.read(&i); i.Format != "raw" || i.Size != 1<<20 || i.State != "ready" || i.User != "root" {
		t.Errorf("image is %+v", i)
	}
	// Larger than the limit of other bodies.
	large := append(rawDisk(), bytes.Repeat([]byte{1}, 4<<20)...)
	w.post(w.admin, "/api/v1/images:upload?name=large", string(large), "Content-Type", "application/x-www-form-urlencoded").status(201)
	w.post(w.admin, "/api/v1/images:upload?name=text", "no disk").status(422)
	w.post(w.admin, "/api/v1/images:upload?name=sum&sha256="+strings.Repeat("0", 64), string(large)).problem(422, "invalid", "sha256")
	w.post(w.admin, "/api/v1/images:upload?name=x", "x", "Idempotency-Key", "k").problem(422, "invalid", "Idempotency-Key")
	w.post(w.admin, "/api/v1/images:upload", "x").problem(422, "invalid", "name")
}

// BenchmarkBatch is POST jobs:batch with 500 jobs that do nothing.
func BenchmarkBatch(b *testing.B) {
	w := newWorldWith(b, Config{UserRate: Rate{1e9, 1e9}})
	body := batchOf(500, string(w.node("node-1")))
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		w.post(w.admin, "/api/v1/jobs:batch", body).status(http.StatusCreated)
	}
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkBatchDecode is the share of decoding in it.
func BenchmarkBatchDecode(b *testing.B) {
	body := []byte(batchOf(500, cloud.NewID[string]()))
	b.ReportAllocs()
	for b.Loop() {
		var v api.JobBatch
		if err := decodeStrict(body, &v); err != nil {
			b.Fatal(err)
		}
	}
	if !json.Valid(body) {
		b.Fatal("the benchmark's body is no JSON")
	}
}
