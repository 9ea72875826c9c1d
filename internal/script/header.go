// Package script knows what a script is: the header in its first lines, its
// content address and signature, how arguments reach it, and what its output
// lines mean.
//
// It must never run, fetch or store a script, or load anything that a header
// refers to.
package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"atoll/internal/cloud"
	"atoll/internal/schedule"
)

// Limits of a script.
const (
	MaxSize        = 1 << 20
	maxHeader      = 64 << 10
	maxDescription = 1000
)

// keys are the keys of a header.
var keys = []string{"description", "roles", "every", "cron", "timezone", "timeout", "queue", "kind", "parameters"}

var queueName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Parse checks a script and reads its header. Errors are cloud.Invalid (over
// MaxSize cloud.TooLarge) and name the key.
//
// A script is UTF-8 text whose first line begins with "#!". The header, if there
// is one, is YAML in a comment directly below, between two lines of three
// dashes. The comment may begin with "#", "//" or "--", the same in each line,
// and one space after that does not count:
//
//	#!/bin/sh
//	# ---
//	# description: Disk space of the node
//	# roles: [storage, compute]     where it may run; none means everywhere
//	# every: 5m                     or cron: "0 4 * * 1", with timezone: Europe/Brussels
//	# timeout: 30s
//	# queue: default
//	# kind: health                  health, stats, maintenance or control
//	# parameters:                   JSON Schema of the arguments, an object
//	#   type: object
//	#   required: [path]
//	#   properties:
//	#     path: {type: string}
//	# ---
//	df "$ATOLL_ARG_PATH"
//
// All keys are optional. Other keys are refused.
func Parse(src []byte) (cloud.ScriptHeader, error) {
	var h cloud.ScriptHeader
	switch {
	case len(src) > MaxSize:
		return h, cloud.Errorf(cloud.TooLarge, "the script has %d bytes; at most %d are allowed", len(src), MaxSize)
	case !bytes.HasPrefix(src, []byte("#!")):
		return h, cloud.FieldErrorf("script", "must begin with #! and its interpreter, such as #!/bin/sh")
	case !utf8.Valid(src) || bytes.IndexByte(src, 0) >= 0:
		return h, cloud.FieldErrorf("script", "must be text in UTF-8")
	}
	text, err := headerText(string(src))
	if err != nil || text == "" {
		return h, err
	}
	if h, err = decode(text); err != nil {
		return h, err
	}
	return h, validate(h)
}

// headerText returns the YAML between the markers, without the comment signs.
// Lines keep their numbers: line 1 of the YAML is line 3 of the script.
func headerText(src string) (string, error) {
	var text strings.Builder
	sign := ""
	n := 0
	for line := range strings.Lines(src) {
		n++
		line = strings.TrimRight(line, "\r\n")
		switch {
		case n == 1:
			continue
		case n == 2:
			for _, s := range []string{"#", "//", "--"} {
				if rest, ok := strings.CutPrefix(line, s); ok && strings.TrimSpace(rest) == "---" {
					sign = s
				}
			}
			if sign == "" {
				return "", nil
			}
			continue
		}
		rest, ok := strings.CutPrefix(line, sign)
		if !ok {
			return "", headerErrorf("line %d of the script does not begin with %s; the header ends with a line %s ---", n, sign, sign)
		}
		rest = strings.TrimPrefix(rest, " ")
		if strings.TrimSpace(rest) == "---" {
			return text.String(), nil
		}
		text.WriteString(rest + "\n")
		if text.Len() > maxHeader {
			break
		}
	}
	if sign == "" {
		return "", nil
	}
	return "", headerErrorf("has no end within %d KiB: a line %s ---", maxHeader>>10, sign)
}

func headerErrorf(format string, args ...any) error {
	return cloud.FieldErrorf("header", format, args...)
}

// decode reads the YAML by way of JSON, whose types the fields have.
func decode(text string) (h cloud.ScriptHeader, err error) {
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		return h, headerErrorf("is no YAML map (line 1 of it is line 3 of the script): %v", err)
	}
	for key := range fields {
		if !slices.Contains(keys, key) {
			return h, cloud.FieldErrorf(clip(key), "is no key of a script's header; the keys are %s", strings.Join(keys, ", "))
		}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return h, headerErrorf("holds a value that JSON has not: %v", err)
	}
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(b, &h); {
	case errors.As(err, &wrong):
		return h, cloud.FieldErrorf(wrong.Field, "must be %s, not a %s; put quotes around text", typeName(wrong), wrong.Value)
	case err != nil:
		return h, headerErrorf("cannot be read: %v", err)
	}
	if string(h.Parameters) == "null" {
		h.Parameters = nil
	}
	return h, nil
}

func typeName(e *json.UnmarshalTypeError) string {
	if e.Field == "roles" && e.Type.Kind().String() == "slice" {
		return "a list such as [compute]"
	}
	return "text"
}

func validate(h cloud.ScriptHeader) error {
	switch {
	case len(h.Description) > maxDescription:
		return cloud.FieldErrorf("description", "has %d bytes; at most %d are allowed", len(h.Description), maxDescription)
	case h.Every != "" && h.Cron != "":
		return cloud.FieldErrorf("every", "goes without cron; give one of the two")
	case h.TimeZone != "" && h.Cron == "":
		return cloud.FieldErrorf("timezone", "goes with cron only")
	case h.Queue != "" && !queueName.MatchString(h.Queue):
		return cloud.FieldErrorf("queue", "%q is no queue name: 1 to 32 of a-z, 0-9 and '-'", clip(h.Queue))
	case h.Kind != "" && !slices.Contains(cloud.ScriptKinds, h.Kind):
		return cloud.FieldErrorf("kind", "%q is no kind of script; they are %v", clip(string(h.Kind)), cloud.ScriptKinds)
	}
	if err := cloud.ValidateRoles(h.Roles); err != nil {
		return err
	}
	if err := duration("every", h.Every, cloud.MinPeriod, 366*24*time.Hour); err != nil {
		return err
	}
	if err := duration("timeout", h.Timeout, time.Millisecond, cloud.MaxJobTimeout); err != nil {
		return err
	}
	if h.Cron != "" {
		if _, err := schedule.ParseCron(h.Cron, h.TimeZone); err != nil {
			return err
		}
	}
	_, err := compile(h.Parameters)
	return err
}

func duration(field, s string, least, most time.Duration) error {
	if s == "" {
		return nil
	}
	if d, err := time.ParseDuration(s); err != nil || d < least || d > most {
		return cloud.FieldErrorf(field, "%q is no time such as 30s or 5m, from %s to %s", clip(s), least, most)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
