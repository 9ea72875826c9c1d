package control

import (
	"errors"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/script"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// headed is a script with the lines as its header.
func headed(lines ...string) []byte {
	return []byte("#!/bin/sh\n# ---\n# " + strings.Join(lines, "\n# ") + "\n# ---\ntrue\n")
}

func newScript(t *testing.T, c *Control, name string, source []byte) *cloud.Script {
	t.Helper()
	s, err := c.CreateScript(t.Context(), operator, "", name, source)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScriptRevisions(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		one := newScript(t, c, "disk", headed("description: one"))
		same := newScript(t, c, "disk", headed("description: one"))
		if same.ID != one.ID || one.Revision != 1 {
			t.Errorf("the same text again is revision %d of %s", same.Revision, same.ID)
		}
		two := newScript(t, c, "disk", headed("description: two", "timeout: 30s"))
		if two.Revision != 2 || two.Header.Timeout != "30s" {
			t.Errorf("second text = %+v", two)
		}
		got, err := c.Script(ctx, operator, "", "disk")
		if err != nil || got.ID != two.ID {
			t.Errorf("Script(name) = %v, %v, want the newest", got, err)
		}
		list, err := c.ScriptRevisions(ctx, operator, "", "disk")
		if err != nil || len(list) != 2 || list[0].ID != two.ID || list[1].Current {
			t.Errorf("ScriptRevisions() = %v, %v", list, err)
		}
		text, err := c.ScriptSource(ctx, operator, "", string(one.ID))
		if err != nil || string(text) != string(headed("description: one")) {
			t.Errorf("ScriptSource(old) = %q, %v", text, err)
		}
		if page, _, err := c.Scripts(ctx, operator, store.Query{}); err != nil || len(page) != 1 {
			t.Errorf("Scripts() = %v, %v, want the current one", page, err)
		}
		if err := c.DeleteScript(ctx, operator, "", "disk"); err != nil {
			t.Fatal(err)
		}
		_, err = c.Script(ctx, operator, "", string(one.ID))
		wantKind(t, "old revision after delete", err, cloud.NotFound)
		node := newNode(t, c, "n1", newLocation(t, c, "here").ID, cloud.NodeOnline)
		_, err = c.OpenScript(ctx, node.ID, two.ID)
		wantKind(t, "script for a node without a job", err, cloud.NotFound)
		hold(t, c, &cloud.Job{Action: cloud.ActionScript, ScriptID: two.ID, TargetNode: node.ID})
		if text, err = c.OpenScript(ctx, node.ID, two.ID); err != nil || len(text) == 0 {
			t.Errorf("a job that runs cannot have its script: %v", err)
		}
		_, err = c.OpenScript(ctx, node.ID, one.ID)
		wantKind(t, "another revision", err, cloud.NotFound)
		newScript(t, c, "disk", headed("description: two")) // the name is free
	})
}

func TestScriptIsSigned(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	s := newScript(t, c, "disk", headed("description: x"))
	var name string
	inTx(t, c, func(tx *store.Tx) error {
		w, err := c.wireScript(tx, s.ID)
		if err != nil {
			return err
		}
		name = w.Name
		trust := []pki.VerifyKey{c.Signer().VerifyKey()}
		if err := pki.Verify(trust, script.Purpose, script.SignedMessage(w.SHA256), w.Signature); err != nil {
			t.Error(err)
		}
		if err := pki.Verify(trust, script.Purpose, script.SignedMessage(sum(nil)), w.Signature); err == nil {
			t.Error("the signature holds for another script")
		}
		return nil
	})
	if name != "disk" {
		t.Errorf("name = %q", name)
	}
}

func TestScriptRefusals(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	_, tenant := newTenant(t, c, "acme")
	for _, tt := range []struct {
		name, field string
		r           *Request
		script      string
		source      []byte
		want        cloud.ErrorKind
	}{
		{"tenant", "", tenant, "x", headed("description: x"), cloud.Denied},
		{"name", "name", operator, "No", headed("description: x"), cloud.Invalid},
		{"no interpreter", "script", operator, "x", []byte("true"), cloud.Invalid},
		{"unknown key", "colour", operator, "x", headed("colour: red"), cloud.Invalid},
		{"too large", "", operator, "x", append([]byte("#!/bin/sh\n"), make([]byte, script.MaxSize)...), cloud.TooLarge},
		{"control by time", "every", operator, "x", headed("kind: control", "every: 5m"), cloud.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.CreateScript(t.Context(), tt.r, "", tt.script, tt.source)
			var e *cloud.Error
			if !errors.As(err, &e) || e.Kind != tt.want || e.Field != tt.field {
				t.Errorf("create = %v, want %s in %q", err, tt.want, tt.field)
			}
		})
	}
}

func TestScriptHeaderMakesItsSchedule(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		newScript(t, c, "disk", headed("kind: health", "every: 5m"))
		s, err := c.Schedule(ctx, operator, "", "disk")
		if err != nil || !s.All || s.Every != "5m" || s.NextAt == 0 {
			t.Fatalf("schedule = %+v, %v", s, err)
		}
		wantKind(t, "delete of a header's schedule", c.DeleteSchedule(ctx, operator, "", "disk"), cloud.Conflict)
		if _, err := c.PauseSchedule(ctx, operator, "", "disk"); err != nil {
			t.Fatal(err)
		}
		newScript(t, c, "disk", headed("kind: health", "cron: 0 4 * * *", "timezone: Europe/Brussels"))
		again, err := c.Schedule(ctx, operator, "", "disk")
		if err != nil || again.ID != s.ID || again.Every != "" || again.Cron != "0 4 * * *" || !again.Paused {
			t.Errorf("schedule of the next revision = %+v, %v; want the same one, paused", again, err)
		}
		newScript(t, c, "disk", headed("kind: health"))
		_, err = c.Schedule(ctx, operator, "", "disk")
		wantKind(t, "schedule of a header without a time", err, cloud.NotFound)

		newScript(t, c, "disk", headed("every: 1m"))
		own := &cloud.Schedule{Name: "mine", ScriptName: "disk", Role: cloud.RoleCompute, Every: "1h"}
		if err := c.CreateSchedule(ctx, operator, own); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "delete of a script in use", c.DeleteScript(ctx, operator, "", "disk"), cloud.Conflict)
		if err := c.DeleteSchedule(ctx, operator, "", "mine"); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteScript(ctx, operator, "", "disk"); err != nil {
			t.Fatal(err)
		}
		if list, _, err := c.Schedules(ctx, operator, store.Query{}); err != nil || len(list) != 0 {
			t.Errorf("schedules after the script = %v, %v", list, err)
		}
	})
}

func TestScriptToRun(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	newScript(t, c, "disk", headed("parameters: {type: object, required: [path]}"))
	inTx(t, c, func(tx *store.Tx) error {
		_, err := operator.scriptToRun(tx, "", "disk", nil)
		var e *cloud.Error
		if !errors.As(err, &e) || e.Field != "args.path" {
			t.Errorf("without arguments = %v, want args.path", err)
		}
		s, err := operator.scriptToRun(tx, "", "disk", []byte(`{"path": "/"}`))
		if err == nil && s.Name != "disk" {
			t.Errorf("script = %v", s)
		}
		return err
	})
}
