package cloud

import "slices"

// BundleKind is where the control scripts of a project come from.
type BundleKind string

// The kinds of bundles.
const (
	BundleFolder  BundleKind = "folder"          // a folder on the runner
	BundleArchive BundleKind = "archive"         // an uploaded .tar.gz
	BundleImage   BundleKind = "oci"             // /utils of an image, made into an archive when the version is added
	BundleProcess BundleKind = "builtin:process" // part of the agent: a deployment is a process on the runner
)

// BundleFiles is no bundle: an archive of programs, for deployments of BundleProcess.
const BundleFiles BundleKind = "files"

// BundleKinds lists the kinds of versions that are kept.
var BundleKinds = []BundleKind{BundleArchive, BundleImage, BundleProcess, BundleFiles}

// Bundle is one version of a project's control scripts. Versions are never changed.
type Bundle struct {
	ID        BundleID
	AccountID AccountID
	ProjectID ProjectID
	Revision  int64 // 1, 2, … in the project
	Kind      BundleKind
	Source    string // name of the uploaded file, or of the image
	Digest    string // of the image
	SHA256    string // of the archive; "" for BundleProcess
	Size      int64
	Signature string // by the installation's key, over the checksum
	Scripts   []ControlScript
	CreatedBy UserID
	Meta
}

// Validate checks what a user may choose.
func (b *Bundle) Validate() error {
	switch {
	case !slices.Contains(BundleKinds, b.Kind):
		return FieldErrorf("kind", "%q is no kind of bundle; they are %v", clip(string(b.Kind)), BundleKinds)
	case len(b.Source) > 500:
		return FieldErrorf("source", "has %d bytes; at most 500 are allowed", len(b.Source))
	case b.Kind == BundleImage && b.Source == "":
		return FieldErrorf("source", "is required: the image that has the scripts in /utils, such as registry.example.com/scripts:1")
	}
	return nil
}

// Bound reports whether deployments made by such a bundle live on the runner that
// created them: every later script of the deployment must run on that node.
func (k BundleKind) Bound() bool { return k == BundleProcess }

// Limits of a bundle that is kept as an archive.
const (
	MaxBundle         = 256 << 20 // bytes of the archive
	MaxBundleUnpacked = 1 << 30
	MaxBundleFiles    = 10_000
)
