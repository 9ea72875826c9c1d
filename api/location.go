package api

// Location is a site: a set of nodes that are near to each other.
type Location struct {
	ID          string `json:"id"`
	Name        string `json:"name" example:"home"`
	Description string `json:"description,omitempty"`
	Meta
}

// LocationCreate is what a location is made from.
type LocationCreate struct {
	Name        string `json:"name" doc:"A DNS label, unique in the installation." example:"ghent"`
	Description string `json:"description,omitempty" maxLength:"1000"`
}

// LocationUpdate changes a location; what is left out stays.
type LocationUpdate struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty" maxLength:"1000"`
}
