package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"atoll/internal/cloud"
)

// schemaURL names the schema of a header while it is compiled.
const schemaURL = "atoll:parameters"

// noLoader refuses references to other documents.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside of the script, and nothing is loaded", url)
}

// compile reads a JSON Schema; none gives nil.
func compile(parameters json.RawMessage) (*jsonschema.Schema, error) {
	if len(parameters) == 0 {
		return nil, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(parameters))
	if err != nil {
		return nil, cloud.FieldErrorf("parameters", "are no JSON: %v", err)
	}
	if _, ok := doc.(map[string]any); !ok {
		return nil, cloud.FieldErrorf("parameters", "must be a JSON Schema such as {type: object, properties: {path: {type: string}}}")
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, cloud.FieldErrorf("parameters", "are no JSON Schema: %v", err)
	}
	schema, err := c.Compile(schemaURL)
	if err != nil {
		return nil, cloud.FieldErrorf("parameters", "are no JSON Schema: %v", err)
	}
	return schema, nil
}

// CheckArgs checks arguments (a JSON object; nothing or null is an empty one)
// against the header's parameters. Its error is cloud.Invalid and names the
// first argument that is wrong, as args.path.
func CheckArgs(h cloud.ScriptHeader, args json.RawMessage) error {
	if len(bytes.TrimSpace(args)) == 0 || string(bytes.TrimSpace(args)) == "null" {
		args = json.RawMessage("{}")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(args))
	if err != nil {
		return cloud.FieldErrorf("args", "are no valid JSON: %v", err)
	}
	if _, ok := doc.(map[string]any); !ok {
		return cloud.FieldErrorf("args", "must be a JSON object")
	}
	schema, err := compile(h.Parameters)
	if err != nil || schema == nil {
		return err
	}
	switch err := schema.Validate(doc).(type) {
	case nil:
		return nil
	case *jsonschema.ValidationError:
		return argError(err)
	default:
		return cloud.FieldErrorf("args", "cannot be checked: %v", err)
	}
}

// argError tells the first cause of a validation error.
func argError(err *jsonschema.ValidationError) error {
	for len(err.Causes) > 0 {
		err = slices.MinFunc(err.Causes, func(a, b *jsonschema.ValidationError) int {
			return slices.Compare(a.InstanceLocation, b.InstanceLocation)
		})
	}
	path := append([]string{"args"}, err.InstanceLocation...)
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		return cloud.FieldErrorf(strings.Join(append(path, k.Missing[0]), "."), "is required")
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		return cloud.FieldErrorf(strings.Join(append(path, k.Properties[0]), "."), "is no parameter of the script")
	}
	return cloud.FieldErrorf(strings.Join(path, "."), "%s", err.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
}

// Env returns the arguments as environment variables, sorted: ATOLL_ARG_ and the
// name in capitals, with '_' for all but A-Z, 0-9 and '_'. Text is passed as it
// is, a number as it is written in the JSON, a truth value as true or false,
// null as nothing, a list or an object as JSON without spaces.
//
// cloud.Invalid if args are no object, if two names become one variable, or if
// a text holds a zero byte, which no variable can.
func Env(args json.RawMessage) ([]string, error) {
	var fields map[string]json.RawMessage
	if len(bytes.TrimSpace(args)) > 0 {
		if err := json.Unmarshal(args, &fields); err != nil {
			return nil, cloud.FieldErrorf("args", "must be a JSON object")
		}
	}
	env := make([]string, 0, len(fields))
	from := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		name := "ATOLL_ARG_" + cloud.VariableName(key)
		if other, taken := from[name]; taken {
			return nil, cloud.FieldErrorf("args."+key, "and args.%s both become %s; rename one", other, name)
		}
		from[name] = key
		value, err := text(fields[key])
		if err != nil || strings.Contains(value, "\x00") {
			return nil, cloud.FieldErrorf("args."+key, "holds a zero byte, which no environment variable can")
		}
		env = append(env, name+"="+value)
	}
	return env, nil
}

func text(raw json.RawMessage) (string, error) {
	switch {
	case string(raw) == "null":
		return "", nil
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, raw)
	return compact.String(), err
}
