package cloud

// BundleKind is where the control scripts of a project come from.
type BundleKind string

// The kinds of bundles.
const (
	BundleFolder  BundleKind = "folder"          // a folder on the runner
	BundleArchive BundleKind = "archive"         // an uploaded .tar.gz
	BundleImage   BundleKind = "oci"             // /utils of an image, made into an archive when the version is added
	BundleProcess BundleKind = "builtin:process" // part of the agent: a deployment is a process on the runner
)

// BundleKinds lists them.
var BundleKinds = []BundleKind{BundleFolder, BundleArchive, BundleImage, BundleProcess}

// Bound reports whether deployments made by such a bundle live on the runner that
// created them: every later script of the deployment must run on that node.
func (k BundleKind) Bound() bool { return k == BundleProcess }

// Limits of a bundle that is kept as an archive.
const (
	MaxBundle         = 256 << 20 // bytes of the archive
	MaxBundleUnpacked = 1 << 30
	MaxBundleFiles    = 10_000
)
