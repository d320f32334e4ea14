package container

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"multinode/images"
)

var machines = map[string]elf.Machine{images.LinuxAMD64: elf.EM_X86_64, images.LinuxARM64: elf.EM_AARCH64}

// checkProgram returns the digest of the program that goes into images. It refuses one
// that would not run in just any of them.
func checkProgram(path, platform string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", fmt.Errorf("the program %s cannot go into images for %s: %s. Build one with `CGO_ENABLED=0 GOOS=linux GOARCH=%s go build -o multinode-linux ./cmd/multinode`, and use it, or name it with --image-program",
			path, platform, why, platform[len("linux/"):])
	}
	machine, known := machines[platform]
	if !known {
		return "", fmt.Errorf("there are no images for the platform %q: %s and %s are supported", platform, images.LinuxAMD64, images.LinuxARM64)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the program that goes into images: %w", err)
	}
	defer file.Close()
	program, err := elf.NewFile(file)
	if err != nil {
		return refuse("it is no program for Linux")
	}
	if program.Machine != machine {
		return refuse("it is made for another machine")
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return refuse("it is linked dynamically")
		}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("reading the program that goes into images: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// builderTag names all that an image of a builder depends on.
func builderTag(base images.Base, program string) string {
	sum := sha256.Sum256([]byte(base.Digest + "\n" + program + "\n1")) // the last is the form of the image
	return "builder-" + hex.EncodeToString(sum[:16])
}
