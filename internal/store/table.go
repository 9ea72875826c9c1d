package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"atoll/internal/cloud"
)

// table maps a kind to its rows: hand-written columns, and for each a pointer
// into the object, in the same order. It is all the mapping there is.
type table[T any] struct {
	kind cloud.Kind
	name string
	cols []string // the first is id; the last four are Meta's, if meta is set
	ptrs func(*T) []any
	meta func(*T) *cloud.Meta // nil for kinds without Meta
	// sorts are the sort keys of lists besides id, each a column with an index
	// that ends in id; filters are the columns that a filter may name.
	sorts   map[string]string
	filters map[string]string
	// words is the filtered column that holds a list of words as JSON, "" for none:
	// its filters ask for one of them.
	words string
	// few are the filters that leave few of very many rows, with the condition of
	// the partial index that has those rows: it is used only if a query says it.
	few map[string]string
	// inOrder are the filters whose rows a partial index has in the order of id,
	// with its condition.
	inOrder map[string]string
	// wide is the filtered column, "" for none, of which one value may be in the rows
	// of all accounts: in the rows of one account it is looked for row by row.
	wide string
	// account, cloudspace, machine and project are the columns of the visibility
	// predicate; "" where the kind has none.
	account, cloudspace, machine, project string
	// open is the condition of rows that everybody who is signed in may see, beyond
	// the predicate; "" where the kind has none.
	open string
}

var metaCols = []string{"created_at", "updated_at", "deleted_at", "version"}

func metaPtrs(m *cloud.Meta) []any {
	return []any{&m.CreatedAt, &m.UpdatedAt, &m.DeletedAt, &m.Version}
}

// asJSON stores a value as JSON text.
type asJSON struct{ to any }

func (j asJSON) Scan(src any) error {
	var b []byte
	switch s := src.(type) {
	case string:
		b = []byte(s)
	case []byte:
		b = s
	default:
		return fmt.Errorf("JSON column holds a %T", src)
	}
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, j.to)
}

// rawJSON stores a json.RawMessage; "" is nil.
type rawJSON struct{ to *json.RawMessage }

func (j rawJSON) Scan(src any) error {
	switch s := src.(type) {
	case string:
		*j.to = json.RawMessage(s)
	case []byte:
		*j.to = append(json.RawMessage(nil), s...)
	}
	if len(*j.to) == 0 {
		*j.to = nil
	}
	return nil
}

// values reads the pointers for writing.
func values(ptrs []any) ([]any, error) {
	out := make([]any, len(ptrs))
	for i, p := range ptrs {
		switch v := p.(type) {
		case asJSON:
			b, err := json.Marshal(v.to)
			if err != nil {
				return nil, err
			}
			out[i] = string(b)
		case rawJSON:
			out[i] = string(*v.to)
		default:
			out[i] = p
		}
	}
	return out, nil
}

func (t *table[T]) columns() string { return strings.Join(t.cols, ", ") }

// insert writes a new row; version becomes 1 and the times now.
func (t *table[T]) insert(tx *Tx, v *T) error {
	query, vals, err := t.insertion(tx, v)
	if err == nil {
		_, err = tx.exec(query, vals...)
	}
	return err
}

func (t *table[T]) insertion(tx *Tx, v *T) (query string, vals []any, err error) {
	if t.meta != nil {
		now, err := tx.Now()
		if err != nil {
			return "", nil, err
		}
		m := t.meta(v)
		m.CreatedAt, m.UpdatedAt, m.Version = now, now, 1
	}
	vals, err = values(t.ptrs(v))
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(vals)), ", ")
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.name, t.columns(), marks), vals, err
}

// update writes the row back if nobody changed it since v was read (Conflict).
func (t *table[T]) update(tx *Tx, v *T) error {
	m := t.meta(v)
	now, err := tx.Now()
	if err != nil {
		return err
	}
	old := m.Version
	m.UpdatedAt, m.Version = now, old+1
	vals, err := values(t.ptrs(v))
	if err != nil {
		return err
	}
	sets := strings.Join(t.cols[1:], " = ?, ") + " = ?"
	n, err := tx.exec(fmt.Sprintf("UPDATE %s SET %s WHERE id = ? AND version = ?", t.name, sets), append(vals[1:], vals[0], old)...)
	if err == nil && n == 0 {
		err = cloud.Wrap(cloud.Conflict, ErrChanged, "the %s was changed meanwhile; read it again", t.kind)
	}
	if err != nil {
		m.Version = old
	}
	return err
}

// get returns the one row that the condition finds, or NotFound naming ref.
func (t *table[T]) get(tx *Tx, ref any, where string, args ...any) (*T, error) {
	v := new(T)
	err := tx.queryRow(fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.columns(), t.name, where), args...).Scan(t.ptrs(v)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound(t.kind, ref)
	}
	if err != nil {
		return nil, tx.d.translate(err)
	}
	return v, nil
}

// live returns the row with the id unless it is deleted.
func (t *table[T]) live(tx *Tx, id any) (*T, error) {
	return t.get(tx, id, "id = ? AND deleted_at = 0", id)
}

// all returns the rows that the condition (with ORDER BY and LIMIT) finds.
func (t *table[T]) all(tx *Tx, where string, args ...any) ([]T, error) {
	var out []T
	err := tx.query(func(scan func(...any) error) error {
		var v T
		if err := scan(t.ptrs(&v)...); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.columns(), t.name, where), args...)
	return out, err
}

// someAtOnce bounds the parameters of one statement of some.
const someAtOnce = 50

// some returns those rows that have one of the ids.
func some[T any, ID ~string](t *table[T], tx *Tx, ids []ID) ([]T, error) {
	var out []T
	for part := range slices.Chunk(ids, someAtOnce) {
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = string(id)
		}
		rows, err := t.all(tx, in("id", len(part)), args...)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// deleteAll marks the rows that the condition finds as deleted, each with a new
// version.
func (t *table[T]) deleteAll(tx *Tx, where string, args ...any) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	_, err = tx.exec(fmt.Sprintf("UPDATE %s SET deleted_at = ?, updated_at = ?, version = version + 1 WHERE deleted_at = 0 AND %s", t.name, where),
		append([]any{now, now}, args...)...)
	return err
}
