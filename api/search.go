package api

// SearchHit is an object that a search found.
type SearchHit struct {
	Kind       string `json:"kind" doc:"As in events: machine, cloudspace, service-account, …" example:"machine"`
	ID         string `json:"id"`
	Name       string `json:"name,omitempty" doc:"Empty for kinds without one; of a page its slug."`
	Title      string `json:"title,omitempty" doc:"Of a space or page." example:"Node maintenance"`
	AccountID  string `json:"account_id,omitempty"`
	Account    string `json:"account,omitempty" doc:"Its name, if the caller may see it."`
	ParentKind string `json:"parent_kind,omitempty" doc:"Of what it lies in, other than the account: cloudspace, machine, project, location, space." example:"cloudspace"`
	ParentID   string `json:"parent_id,omitempty"`
	Parent     string `json:"parent,omitempty" doc:"Its name, if the caller may see it." example:"prod"`
	State      string `json:"state,omitempty" example:"running"`
}

// SearchResult is what a search found: by id, then names and titles that begin with
// the text, then those that have it anywhere.
type SearchResult struct {
	Items []SearchHit `json:"items" nullable:"false"`
	More  bool        `json:"more" doc:"There is more of some kind than limit: type more of the name, or narrow it with kind."`
}
