package api

// Bundle is one version of a project's control scripts.
type Bundle struct {
	ID        string   `json:"id"`
	AccountID string   `json:"account_id"`
	ProjectID string   `json:"project_id"`
	Revision  int64    `json:"revision" doc:"1, 2, … in the project."`
	Kind      string   `json:"kind" enum:"archive,oci,builtin:process,files"`
	Source    string   `json:"source,omitempty" doc:"The image, or the name of the file."`
	Digest    string   `json:"digest,omitempty" doc:"Of the image."`
	SHA256    string   `json:"sha256,omitempty" doc:"Checksum of the archive."`
	Size      int64    `json:"size" doc:"Bytes of the archive."`
	Scripts   []string `json:"scripts,omitempty" doc:"The control scripts that are in it."`
	CreatedBy string   `json:"created_by,omitempty" doc:"Id of the user."`
	Meta
}

// BundleCreate adds control scripts that are not uploaded. For an archive, send its
// bytes to POST /api/v1/bundles:upload instead.
type BundleCreate struct {
	Account string `json:"account,omitempty" doc:"Id or name; to find the project by its name."`
	Project string `json:"project" doc:"Id, or name in the account."`
	Kind    string `json:"kind" enum:"oci,builtin:process" doc:"oci: the folder /utils of an image, which is taken now; builtin:process: a deployment is a process on the runner."`
	Source  string `json:"source,omitempty" maxLength:"500" doc:"The image; the project's secrets REGISTRY_USER and REGISTRY_PASSWORD are the credentials." example:"registry.example.com/scripts:1"`
	Use     bool   `json:"use,omitempty" doc:"The project uses it from now on."`
}
