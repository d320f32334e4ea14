package python

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// binaryFolder is where a wheel has the Go program.
const binaryFolder = packageName + "/bin"

// WheelOptions say what wheel to make.
type WheelOptions struct {
	// Version replaces the one of pyproject.toml where it is not empty. It has
	// Python's form, such as "2.0.0" or "2.1.0rc1".
	Version string
	// Binary is the file of the Go program to put into the wheel. Without one it
	// has only Python in it and is for any platform.
	Binary string
	// Platform is the tag of the platform that Binary is for, such as
	// "manylinux_2_17_x86_64" or "macosx_11_0_arm64". Needed with Binary.
	Platform string
}

// These are stricter than Python: what follows goes into a file name.
var (
	versionForm  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?$`)
	platformForm = regexp.MustCompile(`^[a-z0-9_]+$`)
)

// WriteWheel writes the package as a wheel, which pip can install, and returns
// the file name that pip demands for it. The same sources and options give the
// same bytes.
func WriteWheel(w io.Writer, o WheelOptions) (name string, err error) {
	p, err := definition()
	if err != nil {
		return "", err
	}
	files, err := sources()
	if err != nil {
		return "", err
	}
	if o.Version != "" {
		p.Version = o.Version
	}
	if !versionForm.MatchString(p.Version) {
		return "", fmt.Errorf("making the wheel: %q is no version that Python knows; use one such as 2.0.0 or 2.0.0.dev1", p.Version)
	}
	tag := "py3-none-any"
	if o.Binary != "" {
		if !platformForm.MatchString(o.Platform) {
			return "", fmt.Errorf("making the wheel: %q is no platform tag; use one such as manylinux_2_17_x86_64", o.Platform)
		}
		tag = "py3-none-" + o.Platform
	}
	wheel := &wheelWriter{zip: zip.NewWriter(w), info: fmt.Sprintf("%s-%s.dist-info", p.Name, p.Version)}
	for _, f := range files {
		wheel.text(f.path, string(f.content))
	}
	if o.Binary != "" {
		wheel.binary(binaryFolder+"/multinode", o.Binary)
	}
	readme, err := embedded.ReadFile("README.md")
	if err != nil {
		return "", fmt.Errorf("making the wheel: %w", err)
	}
	wheel.text(wheel.info+"/METADATA", p.metadata()+"\n"+string(readme))
	wheel.text(wheel.info+"/WHEEL", fmt.Sprintf("Wheel-Version: 1.0\nGenerator: multinode\nRoot-Is-Purelib: %t\nTag: %s\n", o.Binary == "", tag))
	wheel.text(wheel.info+"/entry_points.txt", p.entryPoints())
	if err := wheel.finish(); err != nil {
		return "", fmt.Errorf("making the wheel: %w", err)
	}
	return fmt.Sprintf("%s-%s-%s.whl", p.Name, p.Version, tag), nil
}

// metadata is of version 2.1, which the pip of every supported Python reads.
func (p project) metadata() string {
	var out strings.Builder
	field := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				fmt.Fprintf(&out, "%s: %s\n", name, value)
			}
		}
	}
	field("Metadata-Version", "2.1")
	field("Name", p.Name)
	field("Version", p.Version)
	field("Summary", p.Description)
	field("License", p.License)
	field("Keywords", strings.Join(p.Keywords, ","))
	field("Classifier", p.Classifiers...)
	field("Requires-Python", p.RequiresPython)
	field("Requires-Dist", p.Dependencies...)
	field("Description-Content-Type", "text/markdown")
	return out.String()
}

func (p project) entryPoints() string {
	var out strings.Builder
	out.WriteString("[console_scripts]\n")
	for _, name := range slices.Sorted(maps.Keys(p.Scripts)) {
		fmt.Fprintf(&out, "%s = %s\n", name, p.Scripts[name])
	}
	return out.String()
}

// wheelWriter adds files and keeps the record of them. After an error it does
// nothing more, and finish returns it.
type wheelWriter struct {
	zip    *zip.Writer
	info   string // the folder of the wheel's own files
	record strings.Builder
	err    error
}

func (w *wheelWriter) text(path, content string) { w.add(path, 0o644, strings.NewReader(content)) }

func (w *wheelWriter) binary(path, file string) {
	if w.err != nil {
		return
	}
	f, err := os.Open(file)
	if err != nil {
		w.err = err
		return
	}
	defer f.Close()
	w.add(path, 0o755, f)
}

func (w *wheelWriter) add(path string, mode fs.FileMode, content io.Reader) {
	if w.err != nil {
		return
	}
	// Without a time of modification, so that the bytes are always the same.
	header := &zip.FileHeader{Name: path, Method: zip.Deflate}
	header.SetMode(mode)
	to, err := w.zip.CreateHeader(header)
	if err != nil {
		w.err = err
		return
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), content)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", path, err)
		return
	}
	fmt.Fprintf(&w.record, "%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum.Sum(nil)), n)
}

func (w *wheelWriter) finish() error {
	path := w.info + "/RECORD"
	w.text(path, w.record.String()+path+",,\n")
	if w.err != nil {
		return w.err
	}
	return w.zip.Close()
}
