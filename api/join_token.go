package api

// JoinToken lets new nodes join.
type JoinToken struct {
	ID         string   `json:"id"`
	LocationID string   `json:"location_id"`
	Roles      []string `json:"roles" nullable:"false"`
	UsesLeft   int64    `json:"uses_left"`
	ExpiresAt  Time     `json:"expires_at,omitzero"`
	Meta
}

// JoinTokenCreate is what a join token is made from.
type JoinTokenCreate struct {
	Location string   `json:"location,omitempty" doc:"Where its nodes are; may be left out where there is one location."`
	Roles    []string `json:"roles,omitempty" doc:"What its nodes offer: compute, network, storage, boot, runner."`
	Uses     int64    `json:"uses,omitempty" doc:"How many nodes may join with it; 0 is 1." minimum:"0" maximum:"100000"`
	TTL      string   `json:"ttl,omitempty" doc:"How long it holds; 24h if left out." example:"24h"`
}

// JoinTokenCreated is a new join token with its secret, which is shown once.
type JoinTokenCreated struct {
	JoinToken
	Secret  string   `json:"secret" doc:"What the agent gets; it is shown only now."`
	Servers []string `json:"servers" nullable:"false" doc:"Where agents reach the controllers, for 'atoll agent --server'." example:"https://ctrl-01:8443"`
}
