package control

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// subject is what an event is about.
type subject struct {
	kind       cloud.Kind
	id, name   string
	account    cloud.AccountID
	cloudspace cloud.CloudspaceID
	project    cloud.ProjectID
}

// event records the mutation in its own transaction. before and after are the
// object's values (nil for none); the difference of their exported fields is
// kept, without secrets.
func (ch *change) event(action string, s subject, before, after any) error {
	ch.made = strings.Join([]string{action, s.name, s.id}, " ")
	return ch.AddEvent(&cloud.Event{
		Class: cloud.ClassAPI, Actor: string(ch.r.User.ID), ActorName: ch.r.User.Name, Credential: ch.r.Credential,
		RequestID: ch.r.ID, Address: ch.r.Address, AccountID: s.account, CloudspaceID: s.cloudspace, ProjectID: s.project,
		SubjectKind: s.kind, SubjectID: s.id, SubjectName: s.name, Action: action, Outcome: cloud.OutcomeOK,
		Difference: difference(before, after),
	})
}

// refused records a refusal, in a transaction of its own since the change's was
// taken back.
func (c *Control) refused(ctx context.Context, r *Request, action string, cause error) {
	err := c.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.AddEvent(&cloud.Event{
			Class: cloud.ClassAuth, Actor: string(r.User.ID), ActorName: r.User.Name, Credential: r.Credential,
			RequestID: r.ID, Address: r.Address, Action: action, Outcome: cloud.OutcomeRefused, Message: cloud.UserMessage(cause),
		})
	})
	if err != nil {
		c.Log.Error("record a refusal", "action", action, "err", err)
	}
}

// operationEvent records the start and the end of each operation.
func (c *Control) operationEvent(tx *store.Tx, o *cloud.Operation) error {
	e := &cloud.Event{
		Class: cloud.ClassOperation, Actor: o.CreatedBy, RequestID: o.RequestID, AccountID: o.AccountID, CloudspaceID: o.CloudspaceID, ProjectID: o.ProjectID,
		SubjectKind: cloud.KindOperation, SubjectID: string(o.ID), SubjectName: o.SubjectName,
		Action: o.Kind + "." + string(o.State), Outcome: cloud.OutcomeOK, Message: o.Error,
	}
	if o.State == cloud.OperationFailed || o.State == cloud.OperationCanceled {
		e.Outcome = cloud.OutcomeFailed
	}
	if err := tx.AddEvent(e); err != nil || o.State.Live() {
		return err
	}
	return c.wakeNext(tx, o)
}

// wakeNext has the operation that replaced the one that ended go on.
func (c *Control) wakeNext(tx *store.Tx, o *cloud.Operation) error {
	next, err := tx.LiveOperation(o.SubjectID)
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	tx.Notify()
	tx.OnCommit(func() { c.ops.Signal(next.ID) })
	return tx.WakeOperation(next.ID)
}

// stateEvent records an observed change of state.
func stateEvent(tx *store.Tx, action string, s subject, message string) error {
	return stateDifference(tx, action, s, message, nil, nil)
}

// stateDifference is stateEvent with what differs between two values of one type.
func stateDifference(tx *store.Tx, action string, s subject, message string, before, after any) error {
	return tx.AddEvent(&cloud.Event{
		Class: cloud.ClassState, Actor: "system", ActorName: "system", AccountID: s.account, CloudspaceID: s.cloudspace, ProjectID: s.project,
		SubjectKind: s.kind, SubjectID: s.id, SubjectName: s.name, Action: action, Outcome: cloud.OutcomeOK, Message: message,
		Difference: difference(before, after),
	})
}

// secretFields never appear in a difference.
var secretFields = map[string]bool{
	"PasswordHash": true, "Hash": true, "SetupHash": true, "CSRF": true, "UserData": true, "Meta": true, "Secrets": true, "Application": true, "Deployment": true, "EffectiveApplication": true, "EffectiveDeployment": true,
	"TOTPSecret": true, "TOTPPending": true, "TOTPStep": true, "RecoveryCodes": true,
	"Secret": true, "OldSecret": true, "URL": true, // of webhooks
}

// difference is {"field": [old, new], …} of two values of one struct type.
func difference(before, after any) json.RawMessage {
	b, a := fields(before), fields(after)
	diff := map[string][2]any{}
	for name := range merge(b, a) {
		if !secretFields[name] && !reflect.DeepEqual(b[name], a[name]) {
			diff[name] = [2]any{b[name], a[name]}
		}
	}
	if len(diff) == 0 {
		return nil
	}
	out, err := json.Marshal(diff)
	if err != nil {
		return nil // a value without JSON form; the event is worth more than its difference
	}
	return out
}

func merge(a, b map[string]any) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// fields are a struct's exported fields that are not zero.
func fields(v any) map[string]any {
	out := map[string]any{}
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Struct {
		return out
	}
	for i := range rv.NumField() {
		if f := rv.Type().Field(i); f.IsExported() && !rv.Field(i).IsZero() {
			out[f.Name] = rv.Field(i).Interface()
		}
	}
	return out
}

// feed tells this controller's live readers what is new.
type feed struct {
	mu      sync.Mutex
	events  map[chan struct{}]bool
	rights  map[chan struct{}]bool
	logs    map[cloud.JobID]map[chan struct{}]bool
	pending chan struct{} // events that have no number yet
}

func newFeed() *feed {
	return &feed{events: map[chan struct{}]bool{}, rights: map[chan struct{}]bool{}, logs: map[cloud.JobID]map[chan struct{}]bool{}, pending: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it will look anyhow
	}
}

// numbered wakes the readers of events.
func (f *feed) numbered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.events {
		signal(c)
	}
}

// revoked wakes those who are to look whether their credential still holds.
func (f *feed) revoked() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.rights {
		signal(c)
	}
}

// log wakes the readers of a job's output.
func (f *feed) log(chunk wire.LogChunk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.logs[chunk.ID] {
		signal(c)
	}
}

// followEvents returns a channel that gets a value when events were numbered.
func (f *feed) followEvents() (<-chan struct{}, func()) { return f.follow(f.events) }

// followRights returns a channel that gets a value when somebody's credential or
// role was taken.
func (f *feed) followRights() (<-chan struct{}, func()) { return f.follow(f.rights) }

func (f *feed) follow(all map[chan struct{}]bool) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	all[c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(all, c)
	}
}

// followLogs returns a channel that gets a value when the job wrote output.
func (f *feed) followLogs(id cloud.JobID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.logs[id] == nil {
		f.logs[id] = map[chan struct{}]bool{}
	}
	f.logs[id][c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.logs[id], c)
		if len(f.logs[id]) == 0 {
			delete(f.logs, id)
		}
	}
}

// numberEvents is the sequencer: the controller that has the lease numbers
// committed events until ctx ends.
func (c *Control) numberEvents(ctx context.Context) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		n := 0
		err := c.DB.Update(ctx, func(tx *store.Tx) error {
			_, mine, err := tx.TakeLease("sequencer", c.ID, c.Lease/2)
			if err != nil || !mine {
				return err
			}
			list, err := tx.NumberEvents(500)
			if n = len(list); n > 0 {
				tx.Notify() // for the other controllers' readers
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			c.Log.Error("number events", "err", err)
		}
		if n > 0 {
			c.feed.numbered()
		}
		if n == 500 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// logCheck is how often a follower of output looks without a signal: another
// controller may hold the agent.
const logCheck = 2 * time.Second
