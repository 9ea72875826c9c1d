package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"atoll/internal/cloud"
)

// Search says what to look for, and where.
type Search struct {
	Text  string // an id, or a part of a name
	Limit int    // of each kind
	// Kinds are the kinds to look in, with what the reader may see of each.
	Kinds map[cloud.Kind]Visibility
}

// searchable is how to look in a kind.
type searchable struct {
	kind       cloud.Kind
	byID       bool   // it has no name
	name       string // the column of its name; "" is name
	title      string // a column of free text that is looked in too; "" for none
	state      string // an expression; "" for none
	parentKind cloud.Kind
	parent     string // the column with its id
	where      string // further condition; "" for none

	table, account string
	visible        func(Visibility) (string, []any)
}

// looked completes what the table knows.
func (t *table[T]) looked(s searchable) searchable {
	if s.kind == "" {
		s.kind = t.kind
	}
	if s.name == "" && !s.byID {
		s.name = "name"
	}
	s.table, s.account, s.visible = t.name, t.account, t.visible
	if t.meta != nil {
		s.where = strings.TrimPrefix(s.where+" AND deleted_at = 0", " AND ")
	}
	return s
}

// searchables are the kinds to look in, in the order of the answer.
var searchables = []searchable{
	accounts.looked(searchable{state: "state"}),
	cloudspaces.looked(searchable{state: "state"}),
	machines.looked(searchable{state: "state", parentKind: cloud.KindCloudspace, parent: "cloudspace_id"}),
	disks.looked(searchable{state: "state", parentKind: cloud.KindMachine, parent: "machine_id"}),
	portForwards.looked(searchable{byID: true, state: "state", parentKind: cloud.KindMachine, parent: "machine_id"}),
	projects.looked(searchable{}),
	deployments.looked(searchable{state: "state", parentKind: cloud.KindProject, parent: "project_id"}),
	webhooks.looked(searchable{state: "state", parentKind: cloud.KindProject, parent: "project_id"}),
	bundles.looked(searchable{byID: true, parentKind: cloud.KindProject, parent: "project_id"}),
	images.looked(searchable{state: "state"}),
	sizes.looked(searchable{}),
	sshKeys.looked(searchable{}),
	locations.looked(searchable{}),
	nodes.looked(searchable{state: "state", parentKind: cloud.KindLocation, parent: "location_id"}),
	scripts.looked(searchable{where: "current"}),
	schedules.looked(searchable{state: "CASE WHEN paused THEN 'paused' ELSE 'active' END"}),
	users.looked(searchable{where: "account_id = ''", state: disabledState}),
	users.looked(searchable{kind: cloud.KindServiceAccount, where: "account_id <> ''", state: disabledState}),
	memberships.looked(searchable{byID: true}),
	operations.looked(searchable{byID: true, state: "state"}),
	jobs.looked(searchable{byID: true, state: "state"}),
	leftovers.looked(searchable{byID: true, parentKind: cloud.KindNode, parent: "node_id"}),
	joinTokens.looked(searchable{byID: true, parentKind: cloud.KindLocation, parent: "location_id"}),
	wikiSpaces.looked(searchable{title: "title", parentKind: cloud.KindProject, parent: "project_id"}),
	wikiPages.looked(searchable{name: "slug", title: "title", parentKind: cloud.KindWikiSpace, parent: "space_id"}),
}

const disabledState = "CASE WHEN disabled THEN 'disabled' ELSE '' END"

// SearchKinds lists the kinds that a search looks in.
func SearchKinds() []cloud.Kind {
	var out []cloud.Kind
	for i := range searchables {
		out = append(out, searchables[i].kind)
	}
	return out
}

// Search returns up to limit objects of each kind that have the text as their id,
// or in their name or title, those first where one of them begins with it; and
// whether there are more. Names of accounts and of what objects lie in are filled in if Kinds lets
// the reader see those.
func (tx *Tx) Search(q Search) (list []cloud.Found, more bool, err error) {
	byID := cloud.IsID(q.Text)
	var later []cloud.Found // the text is somewhere in the name
	for i := range searchables {
		s := &searchables[i]
		v, ok := q.Kinds[s.kind]
		switch {
		case !ok || s.byID && !byID:
			continue
		case byID:
			hit, err := s.find(tx, v, condition{"id = ?", []any{q.Text}}, "id", 1)
			if err != nil {
				return nil, false, err
			}
			list = append(list, hit...)
			continue
		}
		first, rest, err := s.named(tx, v, q)
		if err != nil {
			return nil, false, err
		}
		if len(first)+len(rest) > q.Limit {
			more = true
			first = first[:min(len(first), q.Limit)]
			rest = rest[:min(len(rest), q.Limit-len(first))]
		}
		list, later = append(list, first...), append(later, rest...)
	}
	list = append(list, later...)
	return list, more, tx.nameFound(list, q.Kinds)
}

// named returns up to one more than limit objects: those whose names begin with
// the text, and those that have it elsewhere.
func (s *searchable) named(tx *Tx, v Visibility, q Search) (first, rest []cloud.Found, err error) {
	begins, has := s.matches(tx.d, strings.ToLower(q.Text))
	if first, err = s.find(tx, v, begins, s.name, q.Limit+1); err != nil || len(first) > q.Limit {
		return first, nil, err
	}
	if v.All { // an index of names is enough to read then, not all rows
		has.where = fmt.Sprintf("id IN (SELECT id FROM %s WHERE %s AND %s ORDER BY %s LIMIT %d)", s.table, has.where, s.where, s.name, q.Limit+1)
	}
	rest, err = s.find(tx, v, has, s.name, q.Limit+1-len(first))
	return first, rest, err
}

// condition is one of SQL, with its parameters.
type condition struct {
	where string
	args  []any
}

// matches are the conditions that a name or title begins with the text, which is in
// small letters, and that one has it but does not begin with it.
func (s *searchable) matches(d *dialect, text string) (begins, has condition) {
	if s.title == "" {
		where, args := d.begins(s.name, text)
		return condition{where, args}, condition{d.position + "(" + s.name + ", ?) > 1", []any{text}}
	}
	// Each on a line of its own: what begins one has the end of a line before it.
	in := d.position + "('\n' || " + s.name + " || '\n' || lower(" + s.title + "), ?)"
	return condition{in + " > 0", []any{"\n" + text}}, condition{in + " > 0 AND " + in + " = 0", []any{text, "\n" + text}}
}

// find returns the objects that the condition finds and the reader may see.
func (s *searchable) find(tx *Tx, v Visibility, c condition, order string, limit int) ([]cloud.Found, error) {
	or := func(column string) string {
		if column == "" {
			return "''"
		}
		return column
	}
	visible, more := s.visible(v)
	where := []string{c.where, visible}
	if s.where != "" {
		where = append(where, s.where)
	}
	var out []cloud.Found
	err := tx.query(func(scan func(...any) error) error {
		f := cloud.Found{Kind: s.kind, ParentKind: s.parentKind}
		if err := scan(&f.ID, &f.Name, &f.Title, &f.State, &f.AccountID, &f.ParentID); err != nil {
			return err
		}
		if f.ParentID == "" {
			f.ParentKind = ""
		}
		out = append(out, f)
		return nil
	}, fmt.Sprintf("SELECT id, %s, %s, %s, %s, %s FROM %s WHERE %s ORDER BY %s LIMIT %d",
		or(s.name), or(s.title), or(s.state), or(s.account), or(s.parent), s.table, strings.Join(where, " AND "), order, limit), append(c.args, more...)...)
	return out, err
}

// nameFound fills in the names of accounts and parents.
func (tx *Tx) nameFound(list []cloud.Found, kinds map[cloud.Kind]Visibility) error {
	names := map[cloud.Kind]map[string]string{}
	want := func(k cloud.Kind, id string) {
		if _, ok := kinds[k]; !ok || id == "" {
			return
		}
		if names[k] == nil {
			names[k] = map[string]string{}
		}
		names[k][id] = ""
	}
	for i := range list {
		want(cloud.KindAccount, string(list[i].AccountID))
		want(list[i].ParentKind, list[i].ParentID)
	}
	for i := range searchables {
		s := &searchables[i]
		if s.byID || len(names[s.kind]) == 0 {
			continue
		}
		var args []any
		for _, id := range slices.Sorted(maps.Keys(names[s.kind])) {
			args = append(args, id)
		}
		found, err := s.find(tx, kinds[s.kind], condition{in("id", len(args)), args}, "id", len(args))
		if err != nil {
			return err
		}
		for _, f := range found {
			names[s.kind][f.ID] = f.Name
		}
	}
	for i := range list {
		f := &list[i]
		f.Account, f.Parent = names[cloud.KindAccount][string(f.AccountID)], names[f.ParentKind][f.ParentID]
	}
	return nil
}
