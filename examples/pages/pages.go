// Package pages holds example runbooks: a folder that `atoll page import` takes, and
// the demo data's first pages. It must hold nothing but pages.
package pages

import "embed"

// Files are the pages, by slug with the ending .md.
//
//go:embed *.md nodes/*.md
var Files embed.FS
