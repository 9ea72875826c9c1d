package cloud_test

import (
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
)

// TestDeploymentNames has the names that Octopod's tests would have. Two of them
// differ on purpose: a name may be longer than 16, and does not end in a hyphen.
func TestDeploymentNames(t *testing.T) {
	for _, good := range []string{"ab", "a1", "orange-button", strings.Repeat("a", 16), strings.Repeat("a", 17), strings.Repeat("a", 40)} {
		if err := cloud.ValidateName(cloud.KindDeployment, good); err != nil {
			t.Errorf("ValidateName(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{"", "a", "a-", strings.Repeat("a", 41), "1ab", "-ab", "Ab", "a_b", "a.b", "aé"} {
		err := cloud.ValidateName(cloud.KindDeployment, bad)
		if !cloud.Is(err, cloud.Invalid) || !strings.Contains(err.Error(), "begins with a letter") {
			t.Errorf("ValidateName(%q) = %v, want the rule", bad, err)
		}
	}
}

func TestDeploymentChecked(t *testing.T) {
	for _, tt := range []struct {
		from cloud.DeploymentState
		exit int
		to   cloud.DeploymentState
		why  cloud.DeploymentReason
	}{
		{cloud.DeploymentRunning, 0, cloud.DeploymentRunning, ""},
		{cloud.DeploymentFailure, 0, cloud.DeploymentRunning, ""},
		{cloud.DeploymentRunning, 1, cloud.DeploymentFailure, cloud.ReasonGeneric},
		{cloud.DeploymentRunning, 2, cloud.DeploymentFailure, cloud.ReasonPartial},
		{cloud.DeploymentFailure, 3, cloud.DeploymentFailure, cloud.ReasonTagMismatch},
		{cloud.DeploymentRunning, 4, cloud.DeploymentFailure, cloud.ReasonGeneric},
		{cloud.DeploymentRunning, 101, cloud.DeploymentFailure, cloud.ReasonGeneric},
		{cloud.DeploymentRunning, 127, cloud.DeploymentFailure, cloud.ReasonGeneric},
		{cloud.DeploymentRunning, -15, cloud.DeploymentFailure, cloud.ReasonGeneric},
		{cloud.DeploymentCreatePending, 0, cloud.DeploymentCreatePending, ""},
		{cloud.DeploymentUpdatePending, 1, cloud.DeploymentUpdatePending, cloud.ReasonGeneric},
		{cloud.DeploymentDeletePending, 1, cloud.DeploymentDeletePending, cloud.ReasonGeneric},
		{cloud.DeploymentArchived, 1, cloud.DeploymentArchived, cloud.ReasonGeneric},
	} {
		why := cloud.CheckReason(tt.exit)
		if to := tt.from.Checked(why); to != tt.to || why != tt.why {
			t.Errorf("%s after exit code %d = %s, %q; want %s, %q", tt.from, tt.exit, to, why, tt.to, tt.why)
		}
	}
}

func TestDeploymentTransitions(t *testing.T) {
	for _, s := range cloud.DeploymentStates {
		next, ok := cloud.DeploymentTransitions[s]
		if !ok || len(next) == 0 {
			t.Errorf("nothing follows %s: a deployment would be stuck", s)
		}
		if s.Transitional() != strings.HasSuffix(string(s), "Pending") {
			t.Errorf("%s: Transitional() = %v", s, s.Transitional())
		}
	}
	if cloud.DeploymentTransitions.Allows(cloud.DeploymentRunning, cloud.DeploymentCreatePending) {
		t.Error("a running deployment can be restored")
	}
	if !cloud.DeploymentTransitions.Allows(cloud.DeploymentCreatePending, cloud.DeploymentDeletePending) {
		t.Error("a stuck create cannot be archived")
	}
}

func TestProjectValidate(t *testing.T) {
	valid := func() cloud.Project {
		p := cloud.Project{Name: "shop", BaseDomain: "staging.example.com", Labels: map[string]string{"zone": "a"}, DefaultTTL: time.Hour}
		p.Normalise()
		return p
	}
	for _, tt := range []struct {
		name  string
		with  func(*cloud.Project)
		field string // "" means valid
	}{
		{"ok", func(*cloud.Project) {}, ""},
		{"one label", func(p *cloud.Project) { p.BaseDomain = "localhost" }, ""},
		{"no name", func(p *cloud.Project) { p.Name = "" }, "name"},
		{"no domain", func(p *cloud.Project) { p.BaseDomain = "" }, "base_domain"},
		{"a URL as domain", func(p *cloud.Project) { p.BaseDomain = "https://x" }, "base_domain"},
		{"namespace", func(p *cloud.Project) { p.Namespace = "A B" }, "namespace"},
		{"role", func(p *cloud.Project) { p.Role = "cook" }, "role"},
		{"label", func(p *cloud.Project) { p.Labels["a b"] = "c" }, "labels"},
		{"no time", func(p *cloud.Project) { p.StatusInterval = time.Millisecond }, "status_interval"},
		{"too much time", func(p *cloud.Project) { p.ScriptTimeout = 48 * time.Hour }, "script_timeout"},
		{"for ever", func(p *cloud.Project) { p.DefaultTTL, p.ArchiveRetention, p.History = 0, 0, 0 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := valid()
			tt.with(&p)
			err := p.Validate()
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e, ok := err.(*cloud.Error); !ok || e.Field != tt.field {
				t.Errorf("Validate() = %v, want it about %s", err, tt.field)
			}
		})
	}
}

func TestProjectRuns(t *testing.T) {
	p := cloud.Project{Role: cloud.RoleRunner, Labels: map[string]string{"zone": "a"}}
	node := cloud.Node{Roles: []cloud.Role{cloud.RoleRunner}, State: cloud.NodeOnline, Labels: map[string]string{"zone": "a", "disk": "ssd"}}
	if !p.Runs(&node) {
		t.Error("a node with role and labels does not run the project")
	}
	for name, with := range map[string]func(*cloud.Node){
		"offline":       func(n *cloud.Node) { n.State = cloud.NodeOffline },
		"cordoned":      func(n *cloud.Node) { n.Cordoned = true },
		"another label": func(n *cloud.Node) { n.Labels = map[string]string{"zone": "b"} },
		"another role":  func(n *cloud.Node) { n.Roles = []cloud.Role{cloud.RoleCompute} },
	} {
		n := node
		with(&n)
		if p.Runs(&n) {
			t.Errorf("a node that is %s runs the project", name)
		}
	}
}
