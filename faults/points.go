package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// moduleRoot returns the folder of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, statErr := os.Stat(filepath.Join(dir, "go.mod")); statErr == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this within the module's folder")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

var (
	hitCall = regexp.MustCompile(`failpoint\.Hit\(([^)]*)\)`)
	literal = regexp.MustCompile(`^"([a-z]+\.[a-z_]+)"$`)
	// launchStep is how package process names the steps of a launch: each is a
	// point, too.
	launchStep = regexp.MustCompile(`\bp\.at\("([a-z_]+)"\)`)
)

// elsewhere are folders whose points are not of the system that runs here: the
// provisioners of other places have tests of their own.
var elsewhere = []string{"faults", "failpoint", "python", "docker", "fargate", "container"}

const launchSteps = `"process." + step`

// points finds the names of all fail points in the source, so that none can be
// forgotten.
func points(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains(elsewhere, name)) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, call := range hitCall.FindAllSubmatch(text, -1) {
			argument := string(call[1])
			found := literal.FindStringSubmatch(argument)
			switch {
			case found != nil:
				names = append(names, found[1])
			case argument == launchSteps:
				for _, step := range launchStep.FindAllSubmatch(readAll(filepath.Dir(path)), -1) {
					names = append(names, "process."+string(step[1]))
				}
			default:
				return fmt.Errorf("%s: the fail point %s is not named by a literal of the form \"room.what_was_done\"", path, argument)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return slices.Compact(names), nil // a thing may be done in two places
}

// readAll returns the text of a package.
func readAll(dir string) []byte {
	var all []byte
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			text, _ := os.ReadFile(file)
			all = append(all, text...)
		}
	}
	return all
}

// crashes are the points that are still to be died at. A point kills one process
// only: it leaves a file of its name in the folder.
type crashes struct {
	names []string
	once  string
	// earlier counts those of the rounds before; reached has the names of all.
	earlier int
	reached map[string]bool
}

func newCrashes(names []string, folder string) (*crashes, error) {
	return &crashes{names: names, once: folder, reached: map[string]bool{}}, os.MkdirAll(folder, 0o700)
}

// left names the points at which nothing has died yet.
func (c *crashes) left() []string {
	var left []string
	for _, name := range c.names {
		if _, err := os.Stat(filepath.Join(c.once, name)); err != nil {
			left = append(left, name)
		}
	}
	return left
}

// died counts those at which something has died in this round.
func (c *crashes) died() int { return len(c.names) - len(c.left()) }

// again lets every point kill once more.
func (c *crashes) again() {
	left := c.left()
	for _, name := range c.names {
		if !slices.Contains(left, name) {
			c.earlier++
			c.reached[name] = true
			_ = os.Remove(filepath.Join(c.once, name))
		}
	}
}

// many points make short lives: some things take longer.
const many = 16

// armed is what a process needs in its environment to die at one of the points
// that are left, at its first, second or third hit. Where many are left, only
// some of them are armed.
func (c *crashes) armed(d *dice) []string {
	left := c.left()
	var each []string
	for _, name := range left {
		if len(left) <= many || d.next(3) == 0 {
			each = append(each, fmt.Sprintf("%s=%d", name, 1+d.next(3)))
		}
	}
	return []string{"MULTINODE_FAILPOINTS=" + strings.Join(each, ","), "MULTINODE_FAILPOINTS_ONCE=" + c.once}
}
