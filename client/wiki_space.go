package client

import "atoll/api"

// WikiSpaces returns the calls about spaces of pages. Delete takes Param("force",
// "true") to delete the pages too.
func (c *Client) WikiSpaces() Kind[api.WikiSpace, api.WikiSpaceCreate, api.WikiSpaceUpdate] {
	return kindOf[api.WikiSpace, api.WikiSpaceCreate, api.WikiSpaceUpdate](c, "spaces")
}

// InSpace says in which space the slug of a page is to be found: by id, or by name
// in a project, in an account, or in the installation.
func InSpace(account, project, space string) Option {
	return func(c *call) {
		c.set("account", account)
		c.set("project", project)
		c.set("space", space)
	}
}
