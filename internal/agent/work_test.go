package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/script"
	"atoll/internal/wire"
)

// printing is processes that print what the first argument names.
func printing(texts map[string]string) processes {
	return func(_ context.Context, cmd sal.Command) (sal.Exit, error) {
		_, err := io.Copy(cmd.Output, iotestReader{strings.NewReader(texts[cmd.Argv[0]])})
		return sal.Exit{}, err
	}
}

// iotestReader reads in odd pieces.
type iotestReader struct{ r io.Reader }

func (r iotestReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 4999)]) }

func TestOutput(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	var long strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	cfg.Node.Processes = printing(map[string]string{
		"short": "one\n3::two\n10::cpu:1.5|g\n20::{\"ok\":true}\n\xff\n", "long": long.String(), "bad": "20::{\n", "wide": strings.Repeat("y", 70_000),
	})
	_, _ = start(t, c, cfg)
	short, big, bad, wide := command("short"), command("long"), command("bad"), command("wide")
	c.hand(short, big, bad, wide)

	r := c.result(short.JobRef)
	if r.State != cloud.JobSucceeded || r.Output != "one\ntwo\n\uFFFD\n" || string(r.Result) != `{"ok":true}` ||
		len(r.Stats) != 1 || r.Stats[0] != (wire.Stat{Key: "cpu", Value: 1.5, Type: "g"}) {
		t.Errorf("short = %+v", r)
	}
	if text := c.logText(short.JobRef); text != "" {
		t.Errorf("short output went in chunks as well: %q", text)
	}
	if r := c.result(big.JobRef); r.OutputBytes != int64(long.Len()) || len(r.Output) > cloud.MaxInlineResult ||
		!strings.HasSuffix(r.Output, "line 19999\n") {
		t.Errorf("long: %d bytes, tail of %d bytes", r.OutputBytes, len(r.Output))
	}
	if text := c.logText(big.JobRef); text != long.String() {
		t.Errorf("the chunks of the long output have %d bytes, want %d", len(text), long.Len())
	}
	if r := c.result(bad.JobRef); r.State != cloud.JobFailed || !strings.Contains(r.Error, "no valid JSON") {
		t.Errorf("bad result = %+v, want failed with the reason", r)
	}
	if r := c.result(wide.JobRef); len(r.Output) > cloud.MaxInlineResult || len(c.logText(wide.JobRef)) < 70_000 {
		t.Errorf("wide: tail of %d bytes, %d in chunks", len(r.Output), len(c.logText(wide.JobRef)))
	}
}

func TestOutputCap(t *testing.T) {
	s, err := openSpool(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close() //nolint:errcheck // the test has ended
	o := newOutput(t.Context(), ref(1), s, func() {})
	line := bytes.Repeat([]byte("z"), 1<<20-1)
	line = append(line, '\n')
	for range cloud.MaxJobOutput>>20 + 3 {
		if n, err := o.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	var r wire.Result
	if problem := o.close(&r); problem != "" {
		t.Error(problem)
	}
	if r.OutputBytes != cloud.MaxJobOutput+3<<20 || !strings.Contains(r.Output, "is dropped") {
		t.Errorf("%d bytes, tail %q", r.OutputBytes, r.Output[max(0, len(r.Output)-100):])
	}
	if s.bytes > spoolMemory+2*chunkBytes+script.MaxLine {
		t.Errorf("the spool holds %d bytes in memory, want at most %d", s.bytes, spoolMemory)
	}
}

func TestControllerAway(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	n := &network{}
	cfg.Dial = n.Dial
	text := strings.Repeat(strings.Repeat("o", 99)+"\n", 60_000) // 6 MB: more than memory holds
	printed := make(chan struct{})
	go_ := make(chan struct{})
	cfg.Node.Processes = processes(func(_ context.Context, cmd sal.Command) (sal.Exit, error) {
		<-go_
		_, err := io.WriteString(cmd.Output, text)
		close(printed)
		return sal.Exit{}, err
	})
	a, _ := start(t, c, cfg)
	j := command("x")
	c.hand(j)
	c.until("the job to be held", func() bool { return c.last(func(x *wire.Exchange) bool { return len(x.Running) == 1 }) })
	n.set(true)
	close(go_)
	<-printed
	a.spool.mu.Lock()
	spooled := a.spool.writeAt
	a.spool.mu.Unlock()
	if spooled == 0 {
		t.Error("nothing was spooled on the disk while the controller was away")
	}
	n.set(false)
	if r := c.result(j.JobRef); r.State != cloud.JobSucceeded || r.OutputBytes != int64(len(text)) {
		t.Errorf("result = %s, %d bytes", r.State, r.OutputBytes)
	}
	if got := c.logText(j.JobRef); got != text {
		t.Errorf("%d bytes of output when the result came, want %d", len(got), len(text))
	}
}

func TestScript(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	type run struct{ src, stdin, arg, dir string }
	runs := make(chan run, 10)
	cfg.Node.Processes = processes(func(_ context.Context, cmd sal.Command) (sal.Exit, error) {
		file := cmd.Argv[0]
		if !filepath.IsAbs(file) {
			file = filepath.Join(cmd.Dir, file)
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return sal.Exit{}, err
		}
		if st, err := os.Stat(file); err != nil || st.Mode()&0o100 == 0 {
			return sal.Exit{}, fmt.Errorf("%s cannot be executed: %v", file, err)
		}
		r := run{src: string(src), stdin: string(cmd.Stdin), dir: cmd.Dir}
		for _, e := range cmd.Env {
			if v, ok := strings.CutPrefix(e, "ATOLL_ARG_SOME_PATH="); ok {
				r.arg = v
			}
		}
		runs <- r
		return sal.Exit{}, nil
	})
	_, end := start(t, c, cfg)
	src := "#!/bin/sh\necho ok\n"
	sum := script.SHA256([]byte(src))
	trust, signature := sign(t, sum)
	newScript := func(id, content string) wire.Job {
		c.do(func() { c.scripts[id] = []byte(content) })
		j := newJob(cloud.ActionScript, map[string]any{"some-path": "/tmp"})
		j.Script = &wire.Script{ID: cloud.ScriptID(id), Name: "hello", SHA256: sum, Signature: signature}
		return j
	}
	good, changed, forged, none := newScript("s1", src), newScript("s2", "#!/bin/sh\nrm -rf /\n"), newScript("s3", src), newScript("s5", src)
	_, forged.Script.Signature = sign(t, sum)
	delete(c.scripts, "s5")
	c.do(func() {
		c.next.Trust = []string{trust}
		c.jobs = []wire.Job{changed, forged, none}
	})
	for j, want := range map[*wire.Job]string{&changed: "checksum", &forged: "not signed", &none: "no such thing"} {
		if r := c.result(j.JobRef); r.State != cloud.JobFailed || !strings.Contains(r.Error, want) {
			t.Errorf("%s %q, want failed with %q", r.State, r.Error, want)
		}
	}
	if len(runs) != 0 {
		t.Fatal("a script ran whose signature does not hold")
	}
	c.hand(good)
	if r := c.result(good.JobRef); r.State != cloud.JobSucceeded {
		t.Fatalf("good script = %+v", r)
	}
	if r := <-runs; r.src != src || r.arg != "/tmp" || r.stdin != `{"some-path":"/tmp"}` || r.dir != "" {
		t.Errorf("script ran as %+v", r)
	}

	// The cache serves it, unless it was changed there; a project's user has a copy.
	cached := filepath.Join(cfg.DataDir, "scripts", sum)
	c.do(func() { delete(c.scripts, "s1") })
	again := good
	again.ID, again.RunAs = cloud.NewID[cloud.JobID](), "10001"
	c.hand(again)
	if r := c.result(again.JobRef); r.State != cloud.JobSucceeded {
		t.Errorf("cached script = %+v", r)
	}
	if r := <-runs; r.src != src || r.dir != filepath.Join(cfg.DataDir, "work", string(again.ID)) {
		t.Errorf("a project's script ran as %+v", r)
	} else if _, err := os.Stat(r.dir); err == nil {
		t.Errorf("the job's folder %s is still there", r.dir)
	}
	again.RunAs = ""
	if err := os.WriteFile(cached, []byte("#!/bin/sh\nevil\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again.ID = cloud.NewID[cloud.JobID]()
	c.hand(again)
	if r := c.result(again.JobRef); r.State != cloud.JobFailed || !strings.Contains(r.Error, "no such thing") {
		t.Errorf("script changed in the cache = %+v, want it fetched once more", r)
	}
	end(false)
}

func TestMachineAndStreams(t *testing.T) {
	c := newController(t)
	_, _ = start(t, c, testConfig(t, c))
	id := cloud.NewID[cloud.MachineID]()
	disk, image := cloud.NewID[cloud.DiskID](), make([]byte, 1<<16)
	image[510], image[511] = 0x55, 0xaa // a boot sector
	sum := sha256.Sum256(image)
	args := wire.ImageArgs{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(image)), Format: "raw"}
	c.do(func() { c.images[args.SHA256] = image })
	step := func(action string, args any) {
		t.Helper()
		j := newJob(action, args)
		c.hand(j)
		if r := c.result(j.JobRef); r.State != cloud.JobSucceeded {
			t.Fatalf("%s = %s %s", action, r.State, r.Error)
		}
	}
	step(wire.ActionImageEnsure, args)
	step(wire.ActionVolumeEnsure, wire.VolumeArgs{ID: disk, SizeGiB: 1, Image: &args})
	step(wire.ActionMachineStart, wire.MachineSpec{
		MachineRef: wire.MachineRef{ID: id, Epoch: 1}, Name: "web-1", VCPUs: 1, MemoryMiB: 64, Disks: []cloud.DiskID{disk},
	})
	has := func(power cloud.Power) func() bool {
		return func() bool {
			for i := len(c.log) - 1; i >= 0; i-- {
				if inv := c.log[i].Inventory; inv != nil {
					return len(inv.Machines) == 1 && inv.Machines[0].Power == power
				}
			}
			return false
		}
	}
	c.until("the machine in the inventory", has(cloud.PowerOn))

	console := make(chan *websocket.Conn, 1)
	ref, _ := json.Marshal(wire.MachineRef{ID: id})
	c.do(func() {
		c.streams["st1"] = console
		c.next.Streams = []wire.StreamOpen{{ID: "st1", Kind: "console", Args: ref}}
	})
	ws := <-console
	remote := websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
	if _, err := io.WriteString(remote, "uname -n\r"); err != nil {
		t.Fatal(err)
	}
	var seen []byte
	for buf := make([]byte, 1000); !strings.Contains(string(seen), "uname -n\r\nweb-1"); {
		n, err := remote.Read(buf)
		if err != nil {
			t.Fatalf("console: %v after %q", err, seen)
		}
		seen = append(seen, buf[:n]...)
	}
	step(wire.ActionMachineStop, wire.MachineStop{MachineRef: wire.MachineRef{ID: id, Epoch: 1}})
	if _, err := io.Copy(io.Discard, remote); err != nil {
		t.Errorf("the console did not end with the machine: %v", err)
	}
	c.until("the machine to be off in the inventory", has(cloud.PowerOff))

	// What cannot be opened says why.
	c.do(func() { c.next.Streams = []wire.StreamOpen{{ID: "st1", Kind: "telepathy", Args: ref}} })
	_, _, err := (<-console).Read(t.Context())
	if !strings.Contains(fmt.Sprint(err), "telepathy") {
		t.Errorf("stream of an unknown kind ended with %v, want the reason", err)
	}
}

func TestOtherVersions(t *testing.T) {
	text, err := os.ReadFile("testdata/exchange-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var x wire.Exchange
	if err := json.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	if x.Number != 4 || x.Results[0].ExitCode != 2 || x.Results[0].Stats[0].Value != 1.5 || x.Logs[0].Data == "" ||
		x.Running[0].Token != 1 || x.Free["process"] != 5 || x.Room != 512 || x.Facts.CPUs != 8 || x.Inventory.Machines[0].Power != cloud.PowerOn {
		t.Errorf("exchange of version 1 = %+v", x)
	}
	if text, err = os.ReadFile("testdata/answer-v1-next.json"); err != nil {
		t.Fatal(err)
	}
	var ans wire.Answer
	if err := json.Unmarshal(text, &ans); err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Servers: []string{"https://localhost"}, Memory: &Memory{}, Node: simNode(t, "n1").SAL(), Name: "n1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b, mine := a.answered(0, &ans, false)
	if !mine || b == nil {
		t.Fatal("the jobs of the newer controller's answer were not taken")
	}
	<-b.done
	a.wg.Wait()
	if k := a.jobs.results[ans.Jobs[0].JobRef]; k == nil || k.State != cloud.JobSucceeded || k.Output != "hello\n" || a.talk.answer != 7 || len(a.talk.trust) != 1 {
		t.Errorf("result %+v, answer %d, trust %v", k, a.talk.answer, a.talk.trust)
	}
}

// A second job of a script must not find it before root can execute it.
func TestScriptIsKeptWhole(t *testing.T) {
	c := &scriptCache{dir: filepath.Join(t.TempDir(), "scripts")}
	for i := range 50 {
		path, src := filepath.Join(c.dir, strconv.Itoa(i)), []byte("#!/bin/sh\n")
		found := make(chan os.FileInfo)
		go func() {
			for {
				if st, err := os.Stat(path); err == nil {
					found <- st
					return
				}
			}
		}()
		if err := c.keep(path, src); err != nil {
			t.Fatal(err)
		}
		if st := <-found; st.Mode().Perm() != scriptMode || st.Size() != int64(len(src)) {
			t.Fatalf("script %d is found with mode %o and %d bytes, want %o and %d", i, st.Mode().Perm(), st.Size(), scriptMode, len(src))
		}
	}
}
