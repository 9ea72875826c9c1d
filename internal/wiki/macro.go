package wiki

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"atoll/internal/cloud"
)

// Class says who fills a macro.
type Class string

// The classes.
const (
	Server Class = "server" // this package: it is part of the HTML
	Live   Class = "live"   // the portal, by calls of the API as the reader
)

// Type is the type of an argument, in the words of JSON Schema.
type Type string

// The types.
const (
	String  Type = "string"
	Integer Type = "integer"
	Boolean Type = "boolean"
	Object  Type = "object" // a JSON object in quotes
)

// Arg describes one argument of a macro.
type Arg struct {
	Name     string
	Type     Type
	Summary  string
	Required bool
	Enum     []string
	Min, Max int64  // of an integer
	Default  string // as it would be written; "" for none
	Example  string
	scope    bool // its default is the name of the space's account or project
}

// Macro describes one macro.
type Macro struct {
	Name    string
	Summary string
	Class   Class
	// Block and Inline say where it may stand: on a line of its own, and within a line.
	Block, Inline bool
	Args          []Arg
	OneOf         []string // exactly one of these must be given
	Example       string
}

// maxArg bounds the value of one argument in bytes.
const maxArg = 1000

func words[S ~string](list ...S) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

func limit(n int64) Arg {
	return Arg{Name: "limit", Type: Integer, Summary: "How many to show.", Min: 1, Max: 100, Default: strconv.FormatInt(n, 10)}
}

var (
	account = Arg{Name: "account", Type: String, Summary: "Name of the account; that of the page's space if left out.", Example: "acme", scope: true}
	project = Arg{Name: "project", Type: String, Summary: "Name of the project in the account; that of the page's space if left out.", Example: "shop", scope: true}
	node    = Arg{Name: "node", Type: String, Summary: "Name of a node.", Example: "node-1"}
	role    = Arg{Name: "role", Type: String, Summary: "Nodes of this role.", Enum: words(cloud.Roles...)}
	site    = Arg{Name: "location", Type: String, Summary: "Nodes of this location.", Example: "ghent"}
	label   = Arg{Name: "label", Type: String, Summary: "What is written on it, beside what it does.", Example: "Check the disks"}
	machine = Arg{Name: "machine", Type: String, Summary: "A machine: cloudspace/name, or its id.", Example: "default/web-1"}
	deploy  = Arg{Name: "deployment", Type: String, Summary: "A deployment: project/name, or its id.", Example: "shop/main"}
)

// operations are what the macro action may offer, by the kind of their target.
var operations = []string{
	"machine.start", "machine.stop", "machine.reboot", "deployment.archive", "deployment.restore", "node.cordon", "node.uncordon",
}

// kinds are those that the macros link and events may name.
var kinds = words(
	cloud.KindAccount, cloud.KindCloudspace, cloud.KindMachine, cloud.KindDisk, cloud.KindImage, cloud.KindPortForward, cloud.KindProject,
	cloud.KindDeployment, cloud.KindNode, cloud.KindLocation, cloud.KindScript, cloud.KindSchedule, cloud.KindJob, cloud.KindOperation, cloud.KindUser,
)

// Macros returns the table of macros, by class and name.
func Macros() []Macro { return slices.Clone(table) }

var table = []Macro{
	{
		Name: "include", Class: Server, Block: true, Summary: "The text of another page, if the reader may read it.",
		Args:    []Arg{{Name: "page", Type: String, Required: true, Summary: "Its slug, or space:slug for a page of another space.", Example: "nodes/maintenance"}},
		Example: "{{include page=nodes/maintenance}}",
	},
	{
		Name: "pages", Class: Server, Block: true, Summary: "A list of links to the pages of this space.",
		Args: []Arg{
			{Name: "prefix", Type: String, Summary: "Only pages whose slug begins with it.", Example: "nodes/"},
			{Name: "limit", Type: Integer, Summary: "How many to show.", Min: 1, Max: 500, Default: "100"},
		},
		Example: "{{pages prefix=nodes/}}",
	},
	{
		Name: "toc", Class: Server, Block: true, Summary: "A table of contents: the headings of the page.",
		Args:    []Arg{{Name: "depth", Type: Integer, Summary: "The deepest level of headings to show.", Min: 1, Max: 6, Default: "3"}},
		Example: "{{toc depth=2}}",
	},
	{
		Name: "action", Class: Live, Block: true, Inline: true, Summary: "A button that does something with one object after confirmation, if the reader may.",
		Args: []Arg{
			{Name: "op", Type: String, Required: true, Summary: "What to do.", Enum: operations},
			{Name: "target", Type: String, Required: true, Summary: "With what: a machine (cloudspace/name), a deployment (project/name) or a node.", Example: "default/web-1"},
			account, label,
		},
		Example: "{{action op=machine.start target=default/web-1}}",
	},
	{
		Name: "deployments", Class: Live, Block: true, Summary: "Deployments with state and links.",
		Args:    []Arg{account, project, {Name: "state", Type: String, Summary: "Only those in this state.", Enum: words(cloud.DeploymentStates...)}, limit(10)},
		Example: "{{deployments project=shop state=Running}}",
	},
	{
		Name: "events", Class: Live, Block: true, Summary: "The newest events.",
		Args:    []Arg{account, {Name: "kind", Type: String, Summary: "Only those about objects of this kind.", Enum: kinds}, limit(10)},
		Example: "{{events kind=machine limit=5}}",
	},
	{
		Name: "jobs", Class: Live, Block: true, Summary: "The newest jobs.",
		Args: []Arg{
			node,
			{Name: "script", Type: String, Summary: "Only those that run this script.", Example: "disk-health"},
			{Name: "state", Type: String, Summary: "Only those in this state.", Enum: words(cloud.JobTransitions.States()...)},
			limit(10),
		},
		Example: "{{jobs script=disk-health state=failed}}",
	},
	{
		Name: "link", Class: Live, Inline: true, Summary: "A link to an object of Atoll, with its state.",
		Args: []Arg{
			{Name: "kind", Type: String, Required: true, Summary: "Its kind.", Enum: kinds},
			{Name: "name", Type: String, Required: true, Summary: "Its name (cloudspace/name, project/name) or id.", Example: "node-1"},
			account, label,
		},
		Example: "{{link kind=node name=node-1}}",
	},
	{
		Name: "machines", Class: Live, Block: true, Summary: "Machines with state and address.",
		Args: []Arg{
			account,
			{Name: "cloudspace", Type: String, Summary: "Only those of this cloudspace of the account.", Example: "default"},
			{Name: "state", Type: String, Summary: "Only those in this state.", Enum: words(cloud.MachineTransitions.States()...)},
			limit(10),
		},
		Example: "{{machines account=acme state=running}}",
	},
	{
		Name: "nodes", Class: Live, Block: true, Summary: "Nodes with state, roles and what is free.",
		Args:    []Arg{role, {Name: "state", Type: String, Summary: "Only those in this state.", Enum: words(cloud.NodeTransitions.States()...)}, site, limit(20)},
		Example: "{{nodes role=compute state=offline}}",
	},
	{
		Name: "operations", Class: Live, Block: true, Summary: "The newest operations with their progress.",
		Args:    []Arg{account, {Name: "state", Type: String, Summary: "Only those in this state.", Enum: words(cloud.OperationTransitions.States()...)}, limit(10)},
		Example: "{{operations state=failed}}",
	},
	{
		Name: "quota", Class: Live, Block: true, Summary: "What an account uses of its limits.",
		Args:    []Arg{required(account)},
		Example: "{{quota account=acme}}",
	},
	{
		Name: "run", Class: Live, Block: true, Inline: true, Summary: "A button that runs a script on nodes after confirmation, if the reader may, and shows the results.",
		Args: []Arg{
			{Name: "script", Type: String, Required: true, Summary: "Name of the script.", Example: "disk-health"},
			node, role,
			{Name: "all", Type: Boolean, Summary: "All nodes."},
			site,
			{Name: "args", Type: Object, Summary: "The script's arguments: a JSON object in quotes.", Example: `"{\"device\": \"sda\"}"`},
			label,
		},
		OneOf:   []string{"node", "role", "all"},
		Example: `{{run script=disk-health role=storage label="Check all disks"}}`,
	},
	{
		Name: "status", Class: Live, Block: true, Inline: true, Summary: "The state of one object.",
		Args:    []Arg{deploy, machine, node, account},
		OneOf:   []string{"deployment", "machine", "node"},
		Example: "{{status deployment=shop/main}}",
	},
}

func required(a Arg) Arg {
	a.Required = true
	return a
}

func find(name string) (Macro, bool) {
	i := slices.IndexFunc(table, func(m Macro) bool { return m.Name == name })
	if i < 0 {
		return Macro{}, false
	}
	return table[i], true
}

func names() string {
	var out []string
	for _, m := range table {
		out = append(out, m.Name)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// values are a macro's arguments with their types.
type values map[string]any

func (v values) text(name string) string { s, _ := v[name].(string); return s }
func (v values) number(name string) int  { n, _ := v[name].(int64); return int(n) }

// JSON is the arguments as an object.
func (v values) JSON() string {
	b, err := json.Marshal(v)
	if err != nil {
		return "{}" // strings, numbers and valid JSON have a form
	}
	return string(b)
}

// Take checks the arguments as written and completes them, at the place. The error
// says the way out.
func (m *Macro) take(written []pair, at Place) (values, error) {
	v := values{}
	for _, w := range written {
		i := slices.IndexFunc(m.Args, func(a Arg) bool { return a.Name == w.name })
		if i < 0 {
			return nil, fmt.Errorf("%q is no argument of %s; they are %s", w.name, m.Name, m.argNames())
		}
		if _, twice := v[w.name]; twice {
			return nil, fmt.Errorf("%s is given twice", w.name)
		}
		val, err := m.Args[i].value(w.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		v[w.name] = val
	}
	if len(m.OneOf) > 0 {
		given := slices.DeleteFunc(slices.Clone(m.OneOf), func(n string) bool { return v[n] == nil || v[n] == false })
		if len(given) != 1 {
			return nil, fmt.Errorf("give exactly one of %s", strings.Join(m.OneOf, ", "))
		}
	}
	for _, a := range m.Args {
		if v[a.Name] != nil {
			continue
		}
		written := a.Default
		if a.scope {
			written = map[string]string{"account": at.Account, "project": at.Project}[a.Name]
		}
		if written == "" {
			if a.Required {
				return nil, fmt.Errorf("%s is required: %s", a.Name, m.Example)
			}
			continue
		}
		val, err := a.value(written)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		v[a.Name] = val
	}
	return v, nil
}

func (m *Macro) argNames() string {
	var out []string
	for _, a := range m.Args {
		out = append(out, a.Name)
	}
	return strings.Join(out, ", ")
}

// value reads an argument as it is written.
func (a *Arg) value(s string) (any, error) {
	if s == "" || len(s) > maxArg || !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return nil, fmt.Errorf("must be 1 to %d bytes of text", maxArg)
	}
	if len(a.Enum) > 0 && !slices.Contains(a.Enum, s) {
		return nil, fmt.Errorf("%q is none of %s", clip(s), strings.Join(a.Enum, ", "))
	}
	switch a.Type {
	case Integer:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < a.Min || n > a.Max {
			return nil, fmt.Errorf("must be a number from %d to %d, not %q", a.Min, a.Max, clip(s))
		}
		return n, nil
	case Boolean:
		if s != "true" && s != "false" {
			return nil, fmt.Errorf("must be true or false, not %q", clip(s))
		}
		return s == "true", nil
	case Object:
		var o map[string]any
		if err := json.Unmarshal([]byte(s), &o); err != nil || o == nil {
			return nil, fmt.Errorf(`must be a JSON object in quotes, such as "{\"name\": 1}"`)
		}
		return json.RawMessage(s), nil
	}
	return s, nil
}

// clip shortens what is quoted in a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
