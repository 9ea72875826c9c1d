package api

// SignInProvider is an identity provider that people may sign in with.
type SignInProvider struct {
	Name  string `json:"name" example:"corp"`
	Label string `json:"label" doc:"For the button." example:"Corporate account"`
	URL   string `json:"url" doc:"Where the browser goes to sign in; add ?return_to=/path." example:"/api/v1/login/oidc/corp"`
}

// SignInProviders is what the sign-in page offers beside name and password.
type SignInProviders struct {
	Items []SignInProvider `json:"items" nullable:"false"`
}
