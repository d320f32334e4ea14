package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"multinode/wire"
)

// project makes a project folder and returns its path.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var digest = regexp.MustCompile(`[0-9a-f]{64}`)

// deployable makes the server take any bundle and prepare it.
func deployable(f *fake, has bool) {
	f.answers("PUT /bundles/", wire.BundleInfo{})
	f.on("HEAD /bundles/", func(w http.ResponseWriter, _ *http.Request) {
		if !has {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	f.answers("POST /projects/p/deployments", wire.VersionInfo{VersionID: "ver-1", State: wire.VersionPreparing})
	f.events("GET /projects/p/deployments/ver-1/events",
		wire.EventProgress, wire.ProgressEvent{Line: "Collecting numpy"},
		wire.EventReady, someVersion("add"))
}

func TestDeploy(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects/p", wire.ProjectDoesNotExist)
	deployable(f, false)
	dir := project(t, map[string]string{"main.py": "x", ".env": "SECRET=hidden\n"})
	s := newShell(t, f)
	const table = `p  ver-1
  NAME  CPU  MEMORY   CONCURRENCY  RETRIES  TIMEOUT
  add   0.1  256 MiB  10           1        1h 30m
`
	code, out, stderr := s.run("deploy", dir, "--project-name=p")
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	compare(t, "stdout", out, table)
	size := regexp.MustCompile(`\d+ B`)
	compare(t, "stderr", size.ReplaceAllString(stderr, "SIZE"), "Packing "+dir+`
✓ Packed `+dir+` (1 file, SIZE, 1 environment variable)
Uploading
✓ Uploaded
Preparing
  Collecting numpy
✓ Prepared version ver-1
Run a function next: multinode invoke --project-name=p --function-name=add --args='[…]'
`)
	compare(t, "requests", digest.ReplaceAllString(strings.Join(f.asked(), "\n"), "DIGEST"), `GET /projects/p
HEAD /bundles/DIGEST
PUT /bundles/DIGEST (bundle)
POST /projects/p/deployments {"mode":"create","bundle":"DIGEST","environment":{"SECRET":"hidden"}}
GET /projects/p/deployments/ver-1/events`)

	if code, out, _ := s.run("upgrade", dir, "--project-name=p", "--deploy", "--json"); code != exitOK || !strings.Contains(out, `"state": "READY"`) {
		t.Errorf("--json: %d\n%s", code, out)
	}
	if last := f.asked()[len(f.asked())-2]; !strings.Contains(last, `"mode":"either"`) {
		t.Errorf("--deploy asks for %s", last)
	}
}

func TestDeployOfKnownCodeUploadsNothing(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects/p", wire.ProjectInfo{ProjectName: "p"})
	deployable(f, true)
	code, _, stderr := newShell(t, f).run("upgrade", project(t, map[string]string{"main.py": "x"}), "--project-name=p")
	if code != exitOK || !strings.Contains(stderr, "✓ The server has this code already\n") {
		t.Errorf("%d\n%s", code, stderr)
	}
	for _, asked := range f.asked() {
		if strings.HasPrefix(asked, "PUT") {
			t.Errorf("asked for %s", asked)
		}
	}
}

func TestDeployRefused(t *testing.T) {
	dir := project(t, map[string]string{"main.py": "x"})
	f := newFake(t)
	s := newShell(t, f)

	f.answers("GET /projects/p", wire.ProjectInfo{ProjectName: "p"})
	f.answers("GET /projects/p/versions/latest", someVersion())
	s.expect(exitFailure, "", "Error: project \"p\" already exists. Run `multinode upgrade "+dir+" --project-name=p` to give it this code\n",
		"deploy", dir, "--project-name=p")

	f.answers("GET /projects/p", wire.ProjectDoesNotExist)
	s.expect(exitFailure, "", "Error: project \"p\" does not exist. Run `multinode deploy "+dir+" --project-name=p` to create it\n",
		"upgrade", dir, "--project-name=p")

	f.answers("GET /projects/p", wire.ProjectInfo{ProjectName: "p", DeletionRequestTime: ptr(int64(1))})
	s.expect(exitFailure, "", "Error: project \"p\" is being undeployed. Try again once `multinode list` no longer shows it\n",
		"upgrade", dir, "--project-name=p")

	f.answers("GET /projects/long", wire.ProjectNameIsTooLong)
	s.expect(exitFailure, "", "Error: the project name \"long\" is too long: at most 64 characters. Choose a shorter --project-name\n",
		"deploy", dir, "--project-name=long")
}

func TestDeployOfWhatCannotBePacked(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"main.py": {"other.py": "x"},
		"line 2":  {"main.py": "x", ".env": "A=1\nB\n"},
	} {
		f := newFake(t)
		f.answers("GET /projects/p", wire.ProjectDoesNotExist)
		code, _, stderr := newShell(t, f).run("deploy", project(t, files), "--project-name=p")
		if code != exitFailure || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%s: %d\n%s", want, code, stderr)
		}
	}
}

func TestDeployInterrupted(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects/p", wire.ProjectDoesNotExist)
	deployable(f, true)
	s := newShell(t, f)
	f.on("GET /projects/p/deployments/ver-1/events", func(w http.ResponseWriter, r *http.Request) {
		sendEvent(w, wire.EventProgress, wire.ProgressEvent{Line: "Collecting numpy"})
		s.interrupts <- os.Interrupt
		<-r.Context().Done()
	})
	code, _, stderr := s.run("deploy", project(t, map[string]string{"main.py": "x"}), "--project-name=p")
	const want = "Error: interrupted: the server may go on preparing what was uploaded. Run `multinode describe --project-name=p` to see\n"
	if code != exitInterrupted || !strings.HasSuffix(stderr, want) {
		t.Errorf("%d\n%s", code, stderr)
	}
}

func TestDeployThatCannotBePrepared(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects/p", wire.ProjectInfo{ProjectName: "p"})
	f.answers("GET /projects/p/versions/latest", wire.VersionDoesNotExist)
	deployable(f, true)
	f.events("GET /projects/p/deployments/ver-1/events",
		wire.EventFailed, wire.ErrorBody{Detail: "ERROR: No matching distribution\nfound for numpyy"})
	dir := project(t, map[string]string{"main.py": "x"})
	s := newShell(t, f)
	const none, before = "No version of the project serves", "What was deployed before still serves"
	for _, c := range []struct {
		command, flag, serves string
		latest                any
	}{
		{"deploy", "", none, wire.VersionDoesNotExist},
		{"upgrade", "", none, wire.VersionDoesNotExist},
		{"upgrade", " --deploy", none, wire.VersionDoesNotExist},
		{"upgrade", "", before, someVersion()},
	} {
		f.answers("GET /projects/p/versions/latest", c.latest)
		code, out, stderr := s.run(append([]string{c.command, dir, "--project-name=p"}, strings.Fields(c.flag)...)...)
		want := "Preparing\n  ERROR: No matching distribution\n  found for numpyy\nError: version ver-1 could not be prepared, for the reason above. " +
			c.serves + ". Mend it and run `multinode " + c.command + " " + dir + " --project-name=p" + c.flag + "` again"
		if c.serves == none {
			want += ", or `multinode undeploy --project-name=p` to remove the project"
		}
		want += "\n"
		if code != exitFailure || out != "" || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: %d\n%s\nwant at its end:\n%s", c.command+c.flag, code, stderr, want)
		}
	}
}
