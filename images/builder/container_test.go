package builder_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"multinode/images"
	"multinode/images/imagestest"
	"multinode/images/order"
)

// desk gives out the order of a control over HTTP.
type desk struct{ *control }

func (d desk) Order(ctx context.Context, _ order.Ticket) (order.Order, error) {
	return d.control.Order(ctx)
}

func (d desk) Bundle(ctx context.Context, _ order.Ticket) (io.ReadCloser, error) {
	return d.control.Bundle(ctx)
}

func (d desk) Progress(ctx context.Context, _ order.Ticket, lines []string) error {
	return d.control.Progress(ctx, lines)
}

func (d desk) Report(ctx context.Context, _ order.Ticket, r order.Report) error {
	return d.control.Report(ctx, r)
}

func docker(t testing.TB, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	return string(out), err
}

// workshop is all that a build in a container needs.
type workshop struct {
	*hub
	image string // with the builder in it
	// options are more of those of docker run.
	options []string
}

func newWorkshop(t testing.TB) workshop {
	t.Helper()
	imagestest.RequireEngine(t)
	h := newHub(t)
	python, err := imagestest.PythonBase(t.Context(), t.TempDir())
	must(t, err)
	h.store(t, "python:3", python)
	program, err := imagestest.Program(t.Context(), t.TempDir())
	must(t, err)
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), h.host+"/python:3", images.LinuxAMD64)
	must(t, err)
	runner, err := images.RunnerLayer(t.TempDir(), program)
	must(t, err)
	root := 0
	image, err := images.With(base, images.Config{Command: "build-image", User: &root}, runner)
	must(t, err)
	reference, err := client.Push(t.Context(), h.host+"/projects/p", "builder", image)
	must(t, err)
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", reference).Run() })
	return workshop{hub: h, image: reference}
}

// build runs an order in a container, and returns what that wrote.
func (w workshop) build(t testing.TB, c *control) string {
	t.Helper()
	secret := []byte(strings.Repeat("s", 32))
	ticket, err := order.Ticket{Version: "v", Expires: time.Now().Add(time.Hour)}.Sign(secret)
	must(t, err)
	server := httptest.NewServer(&order.Handler{Path: "/", Secret: secret, Desk: desk{c}, Logger: slog.New(slog.DiscardHandler)})
	defer server.Close()
	out, err := docker(t, append(append([]string{
		"run", "--rm", "--network=host", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=200",
		"-e", "MULTINODE_BUILD_URL=" + server.URL, "-e", "MULTINODE_BUILD_TICKET=" + ticket,
	}, w.options...), w.image)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

const curious = `
for file in ("/proc/1/environ", "/proc/1/mem"):
    try:
        with open(file, "rb") as stream: print("stolen:", stream.read(100))
    except OSError as error: print("refused:", error.errno)
`

func TestInAContainer(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	w := newWorkshop(t)
	files := map[string]string{"main.py": simple + curious, "requirements.txt": "idna\n"}
	c := w.ordered(t, files)
	out := w.build(t, c)
	if len(c.report.Functions) != 1 || c.report.Image == "" {
		t.Fatalf("%+v\n%s\n%s", c.report, c.said(), out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rmi", "-f", c.report.Image).Run() })
	if strings.Contains(c.said(), "stolen") || strings.Count(c.said(), "refused: 13") != 2 {
		t.Errorf("main.py reads the builder's memory:\n%s", c.said())
	}

	// The image runs its code with its dependencies, and the runner is its entrypoint.
	out, err := docker(t, "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--entrypoint=python", c.report.Image,
		"-c", "import main, idna, os; print(main.f.fn_spec.function_name, os.getuid(), os.getcwd(), idna.__file__)")
	if err != nil || !strings.Contains(out, "f 65532 /app /opt/multinode/") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = docker(t, "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", c.report.Image)
	if err == nil || !strings.Contains(out, "`multinode runner` is started by the server") {
		t.Errorf("%v\n%s", err, out)
	}

	// Built once more, with all of it installed anew: the same bytes.
	again := w.ordered(t, files)
	again.order.Repository = w.host + "/projects/other"
	w.build(t, again)
	if _, one, _ := strings.Cut(c.report.Image, "@"); !strings.HasSuffix(again.report.Image, one) || !strings.Contains(again.said(), "Making a Python") {
		t.Errorf("%s, before %s\n%s", again.report.Image, c.report.Image, again.said())
	}

	// The project's faults come in the words of pip and Python.
	wrong := w.ordered(t, map[string]string{"main.py": "import nosuchmodule\n"})
	w.build(t, wrong)
	if !strings.Contains(wrong.report.Failure, "No module named 'nosuchmodule'") {
		t.Errorf("%+v", wrong.report)
	}
}
