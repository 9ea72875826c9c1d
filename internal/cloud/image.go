package cloud

import (
	"regexp"
)

// ImageState is the state of an image.
type ImageState string

// The image states.
const (
	ImageCreating ImageState = "creating" // being fetched and checked
	ImageReady    ImageState = "ready"
	ImageFailed   ImageState = "failed"
	ImageDisabled ImageState = "disabled" // existing machines keep it, new ones cannot use it
	ImageDeleted  ImageState = "deleted"
)

// ImageTransitions is the transition table of images.
var ImageTransitions = Transitions[ImageState]{
	ImageCreating: {ImageReady, ImageFailed},
	ImageReady:    {ImageDisabled, ImageDeleted},
	ImageDisabled: {ImageReady, ImageDeleted},
	ImageFailed:   {ImageCreating, ImageDeleted}, // creating: its operation is tried again
}

// Transitional reports whether the state needs a live operation.
func (s ImageState) Transitional() bool { return s == ImageCreating }

// Image is a disk image that machines start from.
type Image struct {
	ID          ImageID
	AccountID   AccountID // "" for images of the installation, usable by all
	Name        string
	Description string
	State       ImageState
	Reason      string
	Format      string // qcow2 or raw
	SHA256      string // of the file as stored; also its blob key
	Size        int64  // bytes of the file
	VirtualMiB  int64  // size of the disk it describes, rounded up
	SourceURL   string // where it came from; "" when uploaded
	User        string // login name that the image's documentation gives, e.g. root
	OperationID OperationID
	Meta
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ValidateSHA256 checks the form of a checksum.
func ValidateSHA256(field, sum string) error {
	if !sha256Hex.MatchString(sum) {
		return FieldErrorf(field, "must be a SHA-256 checksum: 64 of 0-9 and a-f")
	}
	return nil
}

// Validate checks what a user may set.
func (i *Image) Validate() error {
	if i.SHA256 != "" {
		if err := ValidateSHA256("sha256", i.SHA256); err != nil {
			return err
		}
	}
	return ValidateName(KindImage, i.Name)
}

// Size is a set of machine resources that operators offer.
type Size struct {
	ID        SizeID
	Name      string
	VCPUs     int64
	MemoryMiB int64
	DiskGiB   int64 // of the boot disk
	Meta
}

// Validate checks what an operator may set.
func (s *Size) Validate() error {
	switch {
	case s.VCPUs < 1 || s.VCPUs > 256:
		return FieldErrorf("vcpus", "must be 1 to 256, not %d", s.VCPUs)
	case s.MemoryMiB < 64 || s.MemoryMiB > 4<<20:
		return FieldErrorf("memory_mib", "must be 64 MiB to 4 TiB, not %d MiB", s.MemoryMiB)
	case s.DiskGiB < 1 || s.DiskGiB > 64<<10:
		return FieldErrorf("disk_gib", "must be 1 GiB to 64 TiB, not %d GiB", s.DiskGiB)
	}
	return ValidateName(KindSize, s.Name)
}
