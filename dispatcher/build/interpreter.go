package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// interpreter is the Python that environments are made with.
type interpreter struct {
	// Path is absolute.
	Path string `json:"executable"`
	// Version is such as "3.11.7".
	Version string `json:"version"`
	// Build is all that the interpreter says about itself: another build of the
	// same version needs other environments.
	Build string `json:"build"`
	// Old tells that package multinode does not run on it.
	Old bool `json:"old"`
	// Missing are the modules that making an environment needs.
	Missing []string `json:"missing"`
	// Pip is the wheel of pip that Python brings with it, if one was found.
	Pip string `json:"pip"`
}

const probeScript = `
import glob, importlib.util, json, os, platform, sys, sysconfig
missing = [m for m in ("venv", "ensurepip") if importlib.util.find_spec(m) is None]
wheels = []
if not missing:
    spec = importlib.util.find_spec("ensurepip")
    for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), os.path.join(os.path.dirname(spec.origin), "_bundled")):
        wheels += sorted(glob.glob(os.path.join(glob.escape(folder), "pip-*.whl"))) if folder else []
print(json.dumps({
    "executable": sys.executable,
    "version": platform.python_version(),
    "build": "%s %s %s" % (sys.version, platform.machine(), getattr(sys, "_base_executable", sys.executable)),
    "old": sys.version_info < (3, 9),
    "missing": missing,
    "pip": wheels[-1] if wheels else "",
}))
`

// probeTime bounds asking an interpreter about itself.
const probeTime = 30 * time.Second

// probe finds the interpreter and checks that it can make environments.
func probe(name string) (interpreter, error) {
	var python interpreter
	path, err := exec.LookPath(name)
	if err != nil {
		return python, fmt.Errorf("preparing users' code needs Python 3.9 or newer: %w; "+
			"install Python 3 (on Debian and Ubuntu: apt-get install python3 python3-venv)", err)
	}
	var answer, problems strings.Builder
	c := command{
		path: path, args: []string{"-c", probeScript}, dir: os.TempDir(), env: baseEnvironment(), limit: probeTime,
		stdout: func(line string) { answer.WriteString(line) },
		stderr: func(line string) { problems.WriteString(line + "\n") },
	}
	if err := c.run(context.Background()); err != nil {
		return python, fmt.Errorf("asking %s for its version: %w: %s", path, err, strings.TrimSpace(problems.String()))
	}
	if err := json.Unmarshal([]byte(answer.String()), &python); err != nil {
		return python, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	if python.Path == "" {
		python.Path = path
	}
	if python.Old {
		return python, fmt.Errorf("%s is Python %s; 3.9 or newer is needed to prepare users' code", path, python.Version)
	}
	if len(python.Missing) > 0 {
		return python, python.cannot(fmt.Sprintf("its module %s is missing", python.Missing[0]))
	}
	return python, nil
}

// cannot says what to install where the parts are missing that some
// distributions ship apart from Python.
func (p interpreter) cannot(why string) error {
	minor := p.Version[:strings.LastIndexByte(p.Version, '.')]
	return fmt.Errorf("the interpreter %s (Python %s) can't make virtual environments: %s; "+
		"on Debian and Ubuntu: apt-get install python3-venv (for a Python that is not the system's own: python%s-venv)",
		p.Path, p.Version, why, minor)
}

// baseEnvironment is what of the server's own environment a program gets: nothing
// that may be a secret.
func baseEnvironment() []string {
	env := []string{"LANG=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// pipEnvironment adds what tells pip where and how to get packages: that is for
// the server's operator to set.
func pipEnvironment() []string {
	env := baseEnvironment()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch upper := strings.ToUpper(name); upper {
		case "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON": // would install elsewhere
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
			"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "NETRC":
			env = append(env, pair)
		default:
			if strings.HasPrefix(upper, "PIP_") {
				env = append(env, pair)
			}
		}
	}
	return append(env, "PIP_NO_COLOR=1", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
}

// isExit tells a program that ended with a failure from one that could not be run
// to its end.
func isExit(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}
