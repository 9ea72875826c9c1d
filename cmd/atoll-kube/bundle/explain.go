package bundle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"helm.sh/helm/v4/pkg/repo/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// explain says what went wrong in words for whoever deploys, and what to do about it where that is known.
func explain(err error) string {
	text := err.Error()
	hint := ""
	var notFound repo.ChartNotFoundError
	var dns *net.DNSError
	switch {
	case strings.Contains(text, "values don't meet the specifications of the schema"):
		_, details, _ := strings.Cut(text, "\n")
		return "the configuration does not fit the chart's schema:\n" + strings.TrimSpace(details)
	case errors.As(err, &notFound):
		hint = fmt.Sprintf("look at %s and %s", keyName, keyVersion)
	case strings.Contains(text, "field is immutable"):
		text = withoutValues(text)
		hint = "Kubernetes does not change this of an object that exists: for a Job, let the chart make it a hook, or put the image's tag " +
			"into its name"
	case apierrors.IsForbidden(err) || strings.Contains(text, " is forbidden: "):
		hint = "the service account of the bundle has no right to this; `atoll-kube rbac NAMESPACE` prints the Role that it needs, " +
			"and what a chart needs beyond it must be added there"
	case apierrors.IsUnauthorized(err):
		hint = "the cluster does not accept the credentials of the kubeconfig"
	case strings.Contains(text, "another operation (install/upgrade/rollback) is in progress"):
		hint = "somebody else works on this release with Helm"
	case strings.Contains(text, "cannot be imported into the current release") || strings.Contains(text, "invalid ownership metadata"):
		hint = "another release has objects of these names: choose another name for the deployment, or names in the chart that contain it"
	case strings.Contains(text, "no matches for kind"):
		hint = "the cluster does not know this kind of object: an operator or its CRDs are not installed"
	case errors.As(err, &dns):
		hint = "the name is not known: is the address right, and does this runner reach that network?"
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(text, "connection refused"):
		hint = "nothing listens there: is the address right, and is the server up?"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err), strings.Contains(text, "timeout awaiting response headers"):
		hint = "it did not answer in time: is the address right, and does a firewall let this runner through?"
	}
	if hint != "" {
		text += "\n" + hint
	}
	return text
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// withoutValues drops the object that Kubernetes quotes in a message, which can be pages long.
func withoutValues(text string) string {
	before, rest, found := strings.Cut(text, "Invalid value: ")
	if end := strings.LastIndex(rest, "}: "); found && end > 0 {
		return before + rest[end+len("}: "):]
	}
	return text
}
