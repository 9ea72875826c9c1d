package cli

import (
	"context"
	"fmt"

	"atoll/api"
	"atoll/client"
)

// words are a verb's forms: "starting", "started".
type words struct{ doing, done string }

// options are those of the common flags.
func (a *app) options() []client.Option {
	if a.dryRun {
		return []client.Option{client.DryRun()}
	}
	return nil
}

// change is one change on its way to being printed.
type change[T any] struct {
	ref    string // as the user wrote it
	result *client.Result[T]
}

// verb does the same with several objects: all are begun before any is waited
// for, and errors do not keep from the others.
func verb[T any](ctx context.Context, a *app, c *client.Client, k *kind[T], w words, refs []string, do func(ref string, o ...client.Option) (*client.Result[T], error)) error {
	var begun []change[T]
	err := each(refs, func(ref string) error {
		in, err := a.in(ctx, c, k.level, ref)
		if err != nil {
			return err
		}
		r, err := do(ref, append(a.options(), in)...)
		if err == nil {
			begun = append(begun, change[T]{ref, r})
		}
		return err
	})
	return join(err, finish(ctx, a, c, k, w, begun...))
}

// one is verb for a call that is not about existing objects.
func one[T any](ctx context.Context, a *app, c *client.Client, k *kind[T], w words, ref string, r *client.Result[T], err error) error {
	if err != nil {
		return err
	}
	return finish(ctx, a, c, k, w, change[T]{ref, r})
}

func join(errs ...error) error {
	var out []error
	for _, err := range errs {
		if err == nil {
			continue
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			out = append(out, many.Unwrap()...)
		} else {
			out = append(out, err)
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return &severalErrors{out}
}

type severalErrors struct{ errs []error }

func (e *severalErrors) Error() string   { return fmt.Sprintf("%d errors", len(e.errs)) }
func (e *severalErrors) Unwrap() []error { return e.errs }

// finish waits where --wait says so and prints what became of each change.
func finish[T any](ctx context.Context, a *app, c *client.Client, k *kind[T], w words, list ...change[T]) error {
	var data []any
	err := each(list, func(ch change[T]) error {
		r := ch.result
		if r.Plan != nil {
			if a.output == "json" || a.output == "yaml" {
				data = append(data, r.Plan)
				return nil
			}
			return a.printPlan(r.Plan)
		}
		if r.Operation == nil && r.Object != nil {
			id, err := operationOf(r.Object)
			if err != nil {
				return err
			}
			if id != "" {
				r.Operation = &api.Operation{ID: id, State: "running"}
			}
		}
		if r.Operation != nil && a.wait {
			op, err := a.await(ctx, c, r.Operation.ID)
			if err != nil {
				return err
			}
			r.Operation = op
		}
		d, err := report(ctx, a, c, k, w, ch)
		if d != nil {
			data = append(data, d)
		}
		return err
	})
	switch {
	case len(data) == 1:
		return join(err, a.printData(data[0]))
	case len(data) > 1:
		return join(err, a.printData(data))
	}
	return err
}

// each does one thing for several and goes on after errors.
func each[T any](list []T, do func(T) error) error {
	var errs []error
	for _, v := range list {
		errs = append(errs, do(v))
	}
	return join(errs...)
}

// report prints one change, or returns what to print as JSON or YAML.
func report[T any](ctx context.Context, a *app, c *client.Client, k *kind[T], w words, ch change[T]) (any, error) {
	r := ch.result
	// What is there after an operation is the newest of the object.
	if op := r.Operation; op != nil && w.done != "deleted" && op.SubjectKind == k.noun && op.SubjectID != "" && a.output != "" {
		v, err := k.reader(c).Get(ctx, op.SubjectID)
		if err != nil {
			return nil, err
		}
		r.Object = v
	}
	if o, ok := any(r.Operation).(*T); ok && o != nil { // it was about the operation itself
		r.Object = o
	}
	name := ch.ref
	if r.Object != nil && (k.name != nil || name == "") {
		name = k.label(r.Object)
	} else if r.Operation != nil && r.Operation.SubjectName != "" && name == "" {
		name = r.Operation.SubjectName
	}
	switch a.output {
	case "json", "yaml":
		switch {
		case r.Object != nil:
			return r.Object, nil
		case r.Operation != nil:
			return r.Operation, nil
		}
		return map[string]string{"name": ch.ref, "state": w.done}, nil
	case "table":
		if r.Object != nil {
			return nil, printList(a, []T{*r.Object}, k.columns, k.label)
		}
	case "name":
		if r.Object != nil {
			name = k.label(r.Object)
		}
		_, err := fmt.Fprintln(a.Stdout, name)
		return nil, err
	}
	var err error
	if op, ok := any(r.Object).(*api.Operation); ok && op != nil {
		_, err = fmt.Fprintf(a.Stdout, "operation %s: %s %s\n", op.ID, op.Kind, op.State)
	} else if op := r.Operation; op != nil && op.Live() {
		_, err = fmt.Fprintf(a.Stdout, "%s %s: %s, operation %s\n", k.noun, name, w.doing, op.ID)
	} else {
		_, err = fmt.Fprintf(a.Stdout, "%s %s %s\n", k.noun, name, w.done)
	}
	return nil, err
}
