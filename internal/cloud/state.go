package cloud

import "slices"

// Transitions is a kind's transition table: from each state, the states that
// may follow. A state that is no key is final.
type Transitions[S ~string] map[S][]S

// Allows reports whether to may follow from.
func (t Transitions[S]) Allows(from, to S) bool { return slices.Contains(t[from], to) }

// States lists all of the table's states by name.
func (t Transitions[S]) States() []S {
	var all []S
	for from, to := range t {
		all = append(append(all, from), to...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Check returns a Conflict that carries the current state if to may not follow from.
func (t Transitions[S]) Check(kind Kind, name string, from, to S) error {
	if t.Allows(from, to) {
		return nil
	}
	return StateErrorf(string(from), "%s %s is %s and cannot become %s", kind, name, from, to)
}
