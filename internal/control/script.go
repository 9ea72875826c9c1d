package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"atoll/internal/authz"
	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/script"
	"atoll/internal/store"
	"atoll/internal/wire"
)

const scriptPrefix = "scripts"

func scriptKey(sha256 string) string { return path.Join(scriptPrefix, sha256[:2], sha256) }

func scriptTarget(s *cloud.Script) target {
	return target{kind: cloud.KindScript, name: s.Name, account: s.AccountID}
}

func scriptSubject(s *cloud.Script) subject {
	return subject{kind: cloud.KindScript, id: string(s.ID), name: s.Name, account: s.AccountID}
}

// findScript returns a revision by its id, or the current one by name: the
// account's, else the installation's.
func findScript(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.Script, error) {
	return byRef(ref, tx.Script, func(name string) (*cloud.Script, error) { return tx.ScriptNamed(account, name) })
}

// readScript is findScript for what the caller may read.
func (r *Request) readScript(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.Script, error) {
	s, err := findScript(tx, account, ref)
	if err != nil {
		return nil, err
	}
	return s, r.permit(authz.Read, scriptTarget(s), ref)
}

// wireScript names a job's script to its agent.
func (c *Control) wireScript(tx *store.Tx, id cloud.ScriptID) (*wire.Script, error) {
	s, err := tx.AnyScript(id)
	if err != nil {
		return nil, err
	}
	return &wire.Script{ID: s.ID, Name: s.Name, SHA256: s.SHA256, Signature: s.Signature}, nil
}

// Script returns the current revision by name, or any by id.
func (c *Control) Script(ctx context.Context, r *Request, account cloud.AccountID, ref string) (*cloud.Script, error) {
	var s *cloud.Script
	err := c.view(ctx, func(tx *store.Tx) (err error) { s, err = r.readScript(tx, account, ref); return err })
	return s, err
}

// Scripts returns a page of the current revisions that the caller may see.
func (c *Control) Scripts(ctx context.Context, r *Request, q store.Query) (list []cloud.Script, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Scripts(r.query(cloud.KindScript, q))
		return err
	})
	return list, next, err
}

// ScriptRevisions returns all revisions of a script, the newest first.
func (c *Control) ScriptRevisions(ctx context.Context, r *Request, account cloud.AccountID, ref string) ([]cloud.Script, error) {
	var list []cloud.Script
	err := c.view(ctx, func(tx *store.Tx) error {
		s, err := r.readScript(tx, account, ref)
		if err != nil {
			return err
		}
		list, err = tx.ScriptRevisions(s.AccountID, s.Name)
		return err
	})
	return list, err
}

// ScriptSource returns a script's text.
func (c *Control) ScriptSource(ctx context.Context, r *Request, account cloud.AccountID, ref string) ([]byte, error) {
	s, err := c.Script(ctx, r, account, ref)
	if err != nil {
		return nil, err
	}
	return c.scriptBody(ctx, s)
}

// OpenScript returns the text of a revision, deleted or not, for the agent of a
// node that has a job with it; to others it is NotFound.
func (c *Control) OpenScript(ctx context.Context, node cloud.NodeID, id cloud.ScriptID) ([]byte, error) {
	var s *cloud.Script
	err := c.view(ctx, func(tx *store.Tx) error {
		holds, err := tx.HoldsScript(node, id)
		if err != nil {
			return err
		}
		if !holds {
			return cloud.Errorf(cloud.NotFound, "this node has no job with script %s", id)
		}
		s, err = tx.AnyScript(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.scriptBody(ctx, s)
}

func (c *Control) scriptBody(ctx context.Context, s *cloud.Script) ([]byte, error) {
	f, _, err := c.Blobs.Open(ctx, scriptKey(s.SHA256))
	if errors.Is(err, blob.ErrNotFound) {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the text of script %s is gone from the blob store; upload it again", s.Name)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, script.MaxSize))
}

// CreateScript stores a script, signs it and makes it the current revision of
// its name. The same text again changes nothing. A header with every or cron
// makes, changes or removes the script's schedule. Errors: Invalid and TooLarge
// for the text, naming the header's key.
func (c *Control) CreateScript(ctx context.Context, r *Request, account cloud.AccountID, name string, source []byte) (*cloud.Script, error) {
	s := &cloud.Script{AccountID: account, Name: name, Current: true, Size: int64(len(source))}
	if err := r.allow(authz.Create, scriptTarget(s)); err != nil {
		if cloud.Is(err, cloud.Denied) && !r.DryRun {
			c.refused(ctx, r, "script.create", err)
		}
		return nil, err
	}
	if err := cloud.ValidateName(cloud.KindScript, name); err != nil {
		return nil, err
	}
	header, err := script.Parse(source)
	if err != nil {
		return nil, err
	}
	if header.Kind == cloud.ScriptControl && (header.Every != "" || header.Cron != "") {
		return nil, cloud.FieldErrorf("every", "and cron go with the kinds health, stats and maintenance, not with %s", header.Kind)
	}
	s.Header, s.SHA256 = header, script.SHA256(source)
	if s.Signature, err = c.Signer().Sign(script.Purpose, script.SignedMessage(s.SHA256)); err != nil {
		return nil, err
	}
	if !r.DryRun { // a body without a row does no harm, a row without a body would
		if _, err := c.Blobs.Put(ctx, scriptPrefix, bytes.NewReader(source), s.SHA256, script.MaxSize); err != nil {
			return nil, fmt.Errorf("store script %s: %w", name, err)
		}
	}
	err = c.change(ctx, r, "script.create", func(ch *change) error { return ch.addRevision(s) })
	return s, err
}

// addRevision makes s the current revision; s becomes the stored one if that
// has the same content.
func (ch *change) addRevision(s *cloud.Script) error {
	if s.AccountID != "" {
		if _, err := ch.active(s.AccountID); err != nil {
			return err
		}
	}
	revisions, err := ch.ScriptRevisions(s.AccountID, s.Name)
	if err != nil {
		return err
	}
	s.Revision = 1
	if len(revisions) > 0 {
		old := &revisions[0]
		if err := ch.match(cloud.KindScript, old.Name, old.Version); err != nil {
			return err
		}
		if old.SHA256 == s.SHA256 {
			*s = *old
			return nil
		}
		s.Revision = old.Revision + 1
		old.Current = false
		if err := ch.UpdateScript(old); err != nil {
			return err
		}
	}
	s.ID = cloud.NewID[cloud.ScriptID]()
	if err := ch.Tx.CreateScript(s); err != nil {
		return err
	}
	if err := ch.followHeader(s); err != nil {
		return err
	}
	return ch.event("script.create", scriptSubject(s), nil, s)
}

// DeleteScript removes a script with all revisions and its header's schedule.
// Its text stays in the blob store: jobs that wait may still run it. Conflict
// while other schedules use it.
func (c *Control) DeleteScript(ctx context.Context, r *Request, account cloud.AccountID, ref string) error {
	return c.change(ctx, r, "script.delete", func(ch *change) error {
		s, err := r.readScript(ch.Tx, account, ref)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Delete, scriptTarget(s)); err != nil {
			return err
		}
		if err := ch.match(cloud.KindScript, s.Name, s.Version); err != nil {
			return err
		}
		if err := ch.endSchedulesOf(s); err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		revisions, err := ch.ScriptRevisions(s.AccountID, s.Name)
		if err != nil {
			return err
		}
		for i := range revisions {
			revisions[i].DeletedAt = now
			if err := ch.UpdateScript(&revisions[i]); err != nil {
				return err
			}
		}
		return ch.event("script.delete", scriptSubject(s), s, nil)
	})
}

// endSchedulesOf removes the header's schedule; others are a Conflict.
func (ch *change) endSchedulesOf(s *cloud.Script) error {
	list, err := allOf(ch.Schedules, store.Query{Filter: []string{"script=" + s.Name}, Visible: store.Everything})
	if err != nil {
		return err
	}
	var own *cloud.Schedule
	for i := range list {
		switch {
		case list[i].AccountID != s.AccountID:
		case ofHeader(&list[i]):
			own = &list[i]
		default:
			return cloud.Errorf(cloud.Conflict, "schedule %s runs script %s; delete the schedule first", list[i].Name, s.Name)
		}
	}
	if own == nil {
		return nil
	}
	return ch.endSchedule(own)
}

// scriptToRun finds the script that a caller wants to run and checks the
// arguments (a JSON object) against its parameters.
func (r *Request) scriptToRun(tx *store.Tx, account cloud.AccountID, ref string, args json.RawMessage) (*cloud.Script, error) {
	s, err := r.readScript(tx, account, ref)
	if err != nil {
		return nil, err
	}
	if err := r.allow(authz.Execute, scriptTarget(s)); err != nil {
		return nil, err
	}
	return s, script.CheckArgs(s.Header, args)
}
