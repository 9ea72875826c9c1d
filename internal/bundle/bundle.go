// Package bundle reads the archives in which control scripts, and the programs of
// the bundle builtin:process, come to a runner: .tar.gz files that anybody may have
// made.
//
// It must never write outside of the folder that it is given, execute what it
// unpacks, or trust a size or name in an archive.
package bundle

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"atoll/internal/cloud"
)

// Purpose is what the installation's key signs archives for.
const Purpose = "bundle"

// SignedMessage is what is signed for an archive: its SHA-256 stands for it.
func SignedMessage(sha256 string) []byte { return []byte("bundle " + sha256) }

// maxName is the longest path in an archive.
const maxName = 1000

// Entry is one file, folder or symbolic link of an archive.
type Entry struct {
	Name string // local, with slashes
	Mode fs.FileMode
	Link string // target of a symbolic link
	Body io.Reader
}

// Read calls visit for each entry of an archive (tar, compressed with gzip or not),
// in order. Its errors are cloud.Invalid, and cloud.TooLarge for what is over the
// limits of bundles; nothing that leaves the archive's folder is passed on.
func Read(r io.Reader, visit func(Entry) error) error {
	tr, err := open(r)
	if err != nil {
		return err
	}
	var bytes int64
	for n := 1; ; n++ {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return cloud.Errorf(cloud.Invalid, "the archive cannot be read: %v", err)
		case n > cloud.MaxBundleFiles:
			return cloud.Errorf(cloud.TooLarge, "the archive has more than %d files", cloud.MaxBundleFiles)
		}
		if bytes += h.Size; h.Size < 0 || bytes > cloud.MaxBundleUnpacked {
			return cloud.Errorf(cloud.TooLarge, "the archive has more than %d MiB when it is unpacked", cloud.MaxBundleUnpacked>>20)
		}
		e, err := entryOf(h)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		body := &bodyReader{r: io.LimitReader(tr, h.Size)}
		e.Body = body
		if err := visit(*e); err != nil {
			if body.err != nil {
				return cloud.Errorf(cloud.Invalid, "the archive cannot be read: %v", body.err)
			}
			return err
		}
	}
}

// bodyReader remembers that the archive, not who reads it, was at fault.
type bodyReader struct {
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// open finds out whether the archive is compressed. What is unpacked is bounded
// as a whole: gzip may hold a thousand times its size, in headers too.
func open(r io.Reader) (*tar.Reader, error) {
	var magic [2]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, cloud.Errorf(cloud.Invalid, "the archive is empty")
	}
	r = io.MultiReader(strings.NewReader(string(magic[:])), r)
	if magic == [2]byte{0x1f, 0x8b} {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, cloud.Errorf(cloud.Invalid, "the archive cannot be read: %v", err)
		}
		r = z
	}
	const headers = cloud.MaxBundleFiles * 8 << 10
	return tar.NewReader(&bounded{r, cloud.MaxBundleUnpacked + headers}), nil
}

var errTooLong = cloud.Errorf(cloud.TooLarge, "the archive has more than %d MiB when it is unpacked", cloud.MaxBundleUnpacked>>20)

// bounded fails after n bytes.
type bounded struct {
	r io.Reader
	n int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.n -= int64(n); b.n < 0 {
		return 0, errTooLong
	}
	return n, err
}

// entryOf checks a header; nil is an entry that needs no more, the folder itself.
func entryOf(h *tar.Header) (*Entry, error) {
	name := path.Clean(strings.TrimSuffix(h.Name, "/"))
	if name == "." && h.Typeflag == tar.TypeDir {
		return nil, nil
	}
	if !local(name) {
		return nil, cloud.Errorf(cloud.Invalid, "the archive holds %q, which is no path inside of it", clip(h.Name))
	}
	e := &Entry{Name: name, Mode: fs.FileMode(h.Mode) & 0o111}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Mode = fs.ModeDir
	case tar.TypeReg:
	case tar.TypeSymlink:
		e.Mode, e.Link = fs.ModeSymlink, h.Linkname
		if path.IsAbs(e.Link) || !local(path.Join(path.Dir(name), e.Link)) && path.Join(path.Dir(name), e.Link) != "." {
			return nil, cloud.Errorf(cloud.Invalid, "the archive holds the link %q to %q, which leads out of it", clip(name), clip(e.Link))
		}
	default:
		return nil, cloud.Errorf(cloud.Invalid, "the archive holds %q, which is no file, folder or symbolic link; make it with tar --hard-dereference", clip(name))
	}
	return e, nil
}

func local(name string) bool {
	return name != "." && len(name) <= maxName && filepath.IsLocal(name) && !strings.ContainsAny(name, "\x00\\")
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// Unpack writes the archive's content into dir, which exists and is empty: folders
// 0755, files 0755 if anybody may execute them, else 0644.
func Unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return Read(r, func(e Entry) error { return write(root, e) })
}

func write(root *os.Root, e Entry) error {
	if parent := path.Dir(e.Name); parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return inTheWay(e.Name, err)
		}
	}
	switch e.Mode.Type() {
	case fs.ModeDir:
		return unpackError(e.Name, root.MkdirAll(e.Name, 0o755))
	case fs.ModeSymlink:
		return unpackError(e.Name, root.Symlink(e.Link, e.Name))
	}
	mode := fs.FileMode(0o644)
	if e.Mode != 0 {
		mode = 0o755
	}
	f, err := root.OpenFile(e.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return unpackError(e.Name, err)
	}
	_, err = io.Copy(f, e.Body)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

func unpackError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return cloud.Errorf(cloud.Invalid, "the archive holds %q twice", clip(name))
	}
	return inTheWay(name, err)
}

func inTheWay(name string, err error) error {
	return cloud.Wrap(cloud.Invalid, err, "%q of the archive cannot be unpacked: another entry is in its way, or leads out of the archive", clip(name))
}

// Folder returns the folder of an unpacked archive that holds its content: dir, or
// the one folder that is all there is in it, as tar makes of a folder.
func Folder(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) == 1 && entries[0].IsDir() {
		return filepath.Join(dir, entries[0].Name()), nil
	}
	return dir, nil
}

// Check reads a whole archive with control scripts and returns the scripts that
// it has. Its error is Invalid if it cannot be unpacked, or has no script create.
func Check(r io.Reader) ([]cloud.ControlScript, error) {
	files := map[string]bool{} // whether it can be executed
	top := map[string]bool{}
	err := Read(r, func(e Entry) error {
		first, _, _ := strings.Cut(e.Name, "/")
		top[first] = top[first] || e.Mode.IsDir() || first != e.Name
		files[e.Name] = e.Mode.IsRegular() && e.Mode != 0 || e.Mode.Type() == fs.ModeSymlink
		_, err := io.Copy(io.Discard, e.Body)
		return err
	})
	if err != nil {
		return nil, err
	}
	prefix := ""
	if len(top) == 1 {
		for name, folder := range top {
			if folder {
				prefix = name + "/"
			}
		}
	}
	found := []cloud.ControlScript{}
	for _, s := range cloud.ControlScripts {
		for _, name := range s.Files() {
			executable, there := files[prefix+name]
			if there && !executable {
				return nil, cloud.Errorf(cloud.Invalid, "%s in the archive is not executable: chmod +x %s, and pack it again", prefix+name, name)
			}
			if there {
				found = append(found, s)
				break
			}
		}
	}
	if len(found) == 0 || found[0] != cloud.ScriptCreate && (len(found) < 2 || found[1] != cloud.ScriptCreate) {
		return nil, cloud.Errorf(cloud.Invalid, "the archive has no control script create, neither at its top nor in its only folder")
	}
	return found, nil
}
