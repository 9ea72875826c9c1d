package cloud

import (
	"regexp"
	"strings"
)

// nameRule says how the names of a kind are formed.
type nameRule struct {
	re   *regexp.Regexp
	max  int
	says string
}

var (
	dnsLabel = nameRule{
		regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`), 63,
		"a name is 1 to 63 of a-z, 0-9 and '-', and begins and ends with a letter or digit",
	}
	dotted = nameRule{
		regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`), 63,
		"a name is 1 to 63 of a-z, 0-9, '.', '_' and '-', and begins and ends with a letter or digit",
	}
	login = nameRule{
		regexp.MustCompile(`^[a-z0-9]([a-z0-9._@+-]*[a-z0-9])?$`), 128,
		"a user name is 1 to 128 of a-z, 0-9, '.', '_', '@', '+' and '-', and begins and ends with a letter or digit",
	}
)

// deploymentName is what a control script makes host names, releases and
// namespaces of: a DNS label with a letter first, and short, as prefixes and
// suffixes are added to it.
var deploymentName = nameRule{
	regexp.MustCompile(`^[a-z][a-z0-9-]*[a-z0-9]$`), MaxDeploymentName,
	"a deployment's name is 2 to 40 of a-z, 0-9 and '-', begins with a letter, and ends with a letter or digit",
}

// nameRules is the rule table: one row per kind that has a name.
var nameRules = map[Kind]nameRule{
	KindLocation:       dnsLabel,
	KindNode:           dotted,
	KindAccount:        dnsLabel,
	KindUser:           login,
	KindServiceAccount: dnsLabel,
	KindToken:          dotted,
	KindSSHKey:         login,
	KindCloudspace:     dnsLabel,
	KindImage:          dotted,
	KindSize:           dotted,
	KindMachine:        dnsLabel,
	KindDisk:           dotted,
	KindScript:         dotted,
	KindSchedule:       dotted,
	KindProject:        dnsLabel,
	KindDeployment:     deploymentName,
	KindWikiSpace:      dnsLabel,
	KindWebhook:        dotted,
}

// ValidateName checks a name against the kind's rule. Names never look like ids.
func ValidateName(kind Kind, name string) error {
	rule, ok := nameRules[kind]
	if !ok {
		return Errorf(Internal, "kind %s has no name rule", kind)
	}
	switch {
	case name == "":
		return FieldErrorf("name", "is required: %s", rule.says)
	case len(name) > rule.max, !rule.re.MatchString(name):
		return FieldErrorf("name", "%q does not fit: %s", clip(name), rule.says)
	case IsID(name):
		return FieldErrorf("name", "%q has the shape of an id; choose another name", name)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// VariableName is the name of the environment variable for a key: image.tag is
// IMAGE_TAG. Different keys may have one name.
func VariableName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}
