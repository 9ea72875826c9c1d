package api

// Size is a set of machine resources that operators offer.
type Size struct {
	ID        string `json:"id"`
	Name      string `json:"name" example:"small"`
	VCPUs     int64  `json:"vcpus"`
	MemoryMiB int64  `json:"memory_mib"`
	DiskGiB   int64  `json:"disk_gib" doc:"Of the boot disk."`
	Meta
}

// SizeCreate is what a size is made from.
type SizeCreate struct {
	Name      string `json:"name" example:"small"`
	VCPUs     int64  `json:"vcpus" minimum:"1" maximum:"256"`
	MemoryMiB int64  `json:"memory_mib" minimum:"64" maximum:"4194304"`
	DiskGiB   int64  `json:"disk_gib" minimum:"1" maximum:"65536"`
}

// SizeUpdate changes a size; what is left out stays. Existing machines keep what
// they have.
type SizeUpdate struct {
	Name      *string `json:"name,omitempty"`
	VCPUs     *int64  `json:"vcpus,omitempty" minimum:"1" maximum:"256"`
	MemoryMiB *int64  `json:"memory_mib,omitempty" minimum:"64" maximum:"4194304"`
	DiskGiB   *int64  `json:"disk_gib,omitempty" minimum:"1" maximum:"65536"`
}
