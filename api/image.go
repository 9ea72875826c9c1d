package api

// Image is a disk image that machines start from.
type Image struct {
	ID          string `json:"id"`
	AccountID   string `json:"account_id,omitempty" doc:"Empty for an image of the installation, which all may use."`
	Name        string `json:"name" example:"debian-12"`
	Description string `json:"description,omitempty"`
	State       string `json:"state" enum:"creating,ready,failed,disabled,deleted"`
	Reason      string `json:"reason,omitempty" doc:"Why it failed."`
	Format      string `json:"format,omitempty" doc:"qcow2 or raw."`
	SHA256      string `json:"sha256,omitempty" doc:"Checksum of the file as stored."`
	Size        int64  `json:"size" doc:"Bytes of the file."`
	VirtualMiB  int64  `json:"virtual_mib" doc:"Size of the disk that it describes."`
	SourceURL   string `json:"source_url,omitempty" doc:"Where it came from; empty when uploaded."`
	User        string `json:"user,omitempty" doc:"Login name." example:"root"`
	OperationID string `json:"operation_id,omitempty"`
	Meta
}

// ImageCreate is an image fetched from a URL. For a file, send its bytes to
// POST /api/v1/images:upload instead.
type ImageCreate struct {
	Account     string `json:"account,omitempty" doc:"Id or name; left out for an image of the installation, which only operators make."`
	Name        string `json:"name" example:"debian-12"`
	Description string `json:"description,omitempty" maxLength:"1000"`
	User        string `json:"user,omitempty" doc:"Login name of the image." maxLength:"64"`
	URL         string `json:"url" doc:"Where to fetch it: http or https." example:"https://example.org/debian-12.qcow2"`
	SHA256      string `json:"sha256" doc:"Checksum that the file must have." pattern:"^[0-9a-f]{64}$"`
}

// ImageUpdate changes an image; what is left out stays.
type ImageUpdate struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty" maxLength:"1000"`
	User        *string `json:"user,omitempty" maxLength:"64"`
	Enabled     *bool   `json:"enabled,omitempty" doc:"false: existing machines keep it, new ones cannot use it."`
}
