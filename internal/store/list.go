package store

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"atoll/internal/cloud"
)

// Query is a list's page, order and conditions.
type Query struct {
	Limit  int      // 1 to MaxLimit; 0 is DefaultLimit
	Cursor string   // from the page before; "" for the first
	Sort   string   // a declared key, with - before it for descending; "" is by id
	Filter []string // field=value, field!=value or field~part, all of which must hold
	// Visible is what the reader may see; the zero value sees nothing but what is open
	// to everybody.
	Visible Visibility
	Deleted bool // also deleted rows

	where []string // further conditions of the caller in this package
	args  []any
}

// Visibility is the predicate that every tenant list takes.
type Visibility struct {
	All         bool
	Accounts    []cloud.AccountID
	Cloudspaces []cloud.CloudspaceID
	Machines    []cloud.MachineID
	Projects    []cloud.ProjectID
	// Shared shows rows that belong to no account, such as the installation's images.
	Shared bool
}

// Nothing reports whether it shows no row at all.
func (v Visibility) Nothing() bool {
	return !v.All && !v.Shared && len(v.Accounts)+len(v.Cloudspaces)+len(v.Machines)+len(v.Projects) == 0
}

// Everything sees all rows: operators and the controller itself.
var Everything = Visibility{All: true}

// The limits of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Where adds a condition that a method of this package or a parent's id makes.
func (q Query) and(where string, args ...any) Query {
	q.where = append(slices.Clip(q.where), where)
	q.args = append(slices.Clip(q.args), args...)
	return q
}

type cursor struct {
	Sort string `json:"s"`
	ID   string `json:"i"`
	Val  any    `json:"v,omitempty"`
}

// list returns a page and the cursor of the next one, "" at the end.
func (t *table[T]) list(tx *Tx, q Query) ([]T, string, error) {
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		return nil, "", cloud.FieldErrorf("limit", "must be 1 to %d, not %d", MaxLimit, q.Limit)
	}
	where, args, err := t.page(tx.d, q)
	if err != nil {
		return nil, "", err
	}
	rows, err := t.all(tx, where, args...)
	if err != nil || len(rows) <= q.Limit {
		return rows, "", err
	}
	rows = rows[:q.Limit]
	next, err := t.cursor(&rows[len(rows)-1], q.Sort)
	return rows, next, err
}

// page makes the condition, order and limit of a page, and one row more.
func (t *table[T]) page(d *dialect, q Query) (string, []any, error) {
	col, desc, err := t.order(q.Sort)
	if err != nil {
		return "", nil, err
	}
	where, args, err := t.conditions(d, q)
	if err != nil {
		return "", nil, err
	}
	if q.Cursor != "" {
		w, a, err := after(q.Cursor, q.Sort, col, desc)
		if err != nil {
			return "", nil, err
		}
		where, args = append(where, w), append(args, a...)
	}
	dir := "ASC"
	if desc {
		dir = "DESC"
	}
	order := "id " + dir
	switch {
	case col == "id" && t.fewOf(q):
		order = "id || '' " + dir // has those few read and sorted, not all rows read in order
	case col != "id":
		order = fmt.Sprintf("%s %s, id %s", col, dir, dir)
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT %d", strings.Join(where, " AND "), order, q.Limit+1), args, nil
}

func (t *table[T]) order(sort string) (col string, desc bool, err error) {
	key, desc := strings.CutPrefix(sort, "-")
	if key == "" || key == "id" || key == "created_at" { // ids sort by time of creation
		return "id", desc, nil
	}
	col, ok := t.sorts[key]
	if !ok {
		keys := slices.Sorted(maps.Keys(t.sorts))
		return "", false, cloud.FieldErrorf("sort", "%q is no sort key; they are %v", key, append([]string{"created_at"}, keys...))
	}
	return col, desc, nil
}

func (t *table[T]) conditions(d *dialect, q Query) ([]string, []any, error) {
	where, args := q.where, q.args
	if t.meta != nil && !q.Deleted {
		where = append(where, "deleted_at = 0")
	}
	w, a := t.visible(q.Visible)
	where, args = append(where, w), append(args, a...)
	for _, f := range q.Filter {
		w, a, err := t.filter(d, f)
		if err != nil {
			return nil, nil, err
		}
		if t.wide != "" && w == t.wide+" = ?" && q.Visible.oneAccount() {
			w = t.wide + " || '' = ?" // has the account's index used
		}
		where, args = append(where, w), append(args, a)
		if partial := cmp.Or(t.few[f], t.inOrder[f]); partial != "" {
			where = append(where, partial)
		}
	}
	return where, args, nil
}

// fewOf reports whether a filter leaves few of very many rows.
func (t *table[T]) fewOf(q Query) bool {
	return slices.ContainsFunc(q.Filter, func(f string) bool { return t.few[f] != "" })
}

// oneAccount reports whether the caller sees what is one account's, and nothing else.
func (v Visibility) oneAccount() bool {
	return !v.All && !v.Shared && len(v.Accounts) == 1 && len(v.Cloudspaces)+len(v.Machines)+len(v.Projects) == 0
}

func (t *table[T]) visible(v Visibility) (string, []any) {
	if v.All || t.account == "" {
		return "1 = 1", nil
	}
	var ors []string
	var args []any
	if t.open != "" {
		ors = append(ors, t.open)
	}
	if v.Shared {
		ors = append(ors, t.account+" = ''")
	}
	ors, args = orIn(ors, args, t.account, v.Accounts)
	if t.cloudspace != "" {
		ors, args = orIn(ors, args, t.cloudspace, v.Cloudspaces)
	}
	if t.machine != "" {
		ors, args = orIn(ors, args, t.machine, v.Machines)
	}
	if t.project != "" {
		ors, args = orIn(ors, args, t.project, v.Projects)
	}
	if len(ors) == 0 {
		return "1 = 0", nil
	}
	return "(" + strings.Join(ors, " OR ") + ")", args
}

func orIn[S ~string](ors []string, args []any, col string, ids []S) ([]string, []any) {
	if len(ids) == 0 {
		return ors, args
	}
	for _, id := range ids {
		args = append(args, string(id))
	}
	return append(ors, in(col, len(ids))), args
}

func (t *table[T]) filter(d *dialect, f string) (string, any, error) {
	i := strings.IndexAny(f, "=!~")
	if i < 1 {
		return "", nil, cloud.FieldErrorf("filter", "%q is no filter; write field=value, field!=value or field~part", f)
	}
	col, ok := t.filters[f[:i]]
	if !ok {
		return "", nil, cloud.FieldErrorf("filter", "%q is no field to filter by; they are %v", f[:i], slices.Sorted(maps.Keys(t.filters)))
	}
	switch {
	case !utf8.ValidString(f) || strings.ContainsRune(f, 0):
		return "", nil, cloud.FieldErrorf("filter", "%q is no text", f)
	case col == t.words && strings.HasPrefix(f[i:], "!="):
		return d.position + "(" + col + ", ?) = 0", `"` + f[i+2:] + `"`, nil
	case col == t.words && f[i] == '=':
		return d.position + "(" + col + ", ?) > 0", `"` + f[i+1:] + `"`, nil
	case strings.HasPrefix(f[i:], "!="):
		return col + " <> ?", f[i+2:], nil
	case f[i] == '=':
		return col + " = ?", f[i+1:], nil
	case f[i] == '~' && col == "name": // no kind's name has capitals, and lower takes longer than the search
		return d.position + "(name, ?) > 0", strings.ToLower(f[i+1:]), nil
	case f[i] == '~':
		return d.position + "(lower(" + col + "), ?) > 0", strings.ToLower(f[i+1:]), nil
	}
	return "", nil, cloud.FieldErrorf("filter", "%q is no filter; write field=value, field!=value or field~part", f)
}

func (t *table[T]) cursor(last *T, sort string) (string, error) {
	col, _, err := t.order(sort)
	if err != nil {
		return "", err
	}
	ptrs := t.ptrs(last)
	vals, err := values(ptrs)
	if err != nil {
		return "", err
	}
	vals = plain(vals)
	c := cursor{Sort: sort, ID: vals[0].(string)}
	if col != "id" {
		c.Val = vals[slices.Index(t.cols, col)]
	}
	b, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func after(text, sort, col string, desc bool) (string, []any, error) {
	bad := cloud.FieldErrorf("cursor", "is none that this list gave with the same sort; start again without it")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", nil, bad
	}
	var c cursor
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	if dec.Decode(&c) != nil || c.Sort != sort || !cloud.IsID(c.ID) {
		return "", nil, bad
	}
	op := ">"
	if desc {
		op = "<"
	}
	if col == "id" {
		return "id " + op + " ?", []any{c.ID}, nil
	}
	switch v := c.Val.(type) {
	case string:
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return "", nil, bad
		}
		c.Val = n
	default:
		return "", nil, bad
	}
	return fmt.Sprintf("(%s, id) %s (?, ?)", col, op), []any{c.Val, c.ID}, nil
}
