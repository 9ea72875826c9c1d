package api

import "encoding/json"

// RunCreate is one command or script on many nodes: an operation with a job for
// each node. Say where by exactly one of nodes, role and all.
type RunCreate struct {
	Command   []string        `json:"command,omitempty" doc:"Program and arguments; or script." example:"[\"uptime\"]"`
	Script    string          `json:"script,omitempty" doc:"Id or name."`
	Args      json.RawMessage `json:"args,omitempty" doc:"For the script."`
	Nodes     []string        `json:"nodes,omitempty" doc:"Ids or names." maxItems:"10000"`
	Role      string          `json:"role,omitempty" enum:"compute,network,storage,boot,runner"`
	All       bool            `json:"all,omitempty"`
	Location  string          `json:"location,omitempty" doc:"Only nodes of this location: id or name."`
	Batch     string          `json:"batch,omitempty" doc:"How many at a time: a number or a percentage; all if left out." example:"10%"`
	StopAfter int64           `json:"stop_after,omitempty" minimum:"0" doc:"No new jobs after so many failures; 0 never stops."`
	Timeout   string          `json:"timeout,omitempty" doc:"Of each job; 10m if left out." example:"30s"`
}
