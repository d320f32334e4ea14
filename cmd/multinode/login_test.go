package main

import (
	"os"
	"strings"
	"testing"

	"multinode/cmd/multinode/internal/config"
	"multinode/wire"
)

func TestLoginAndLogout(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects", wire.ProjectsList{})
	s := newShell(t, nil)
	file := config.At(s.home)
	done := "✓ Logged in to " + f.url + ". Deploy a project next: `multinode deploy DIR --project-name=NAME`\n"
	stored := func(want config.Login) {
		t.Helper()
		if got, err := file.Load(); err != nil || got != want {
			t.Errorf("stored %+v, %v; want %+v", got, err, want)
		}
	}

	s.expect(exitFailure, "",
		"Error: "+f.url+" does not accept this API key. `multinode up` prints the right one; run `multinode login` again with it\n",
		"login", "--url="+f.url, "--key=wrong")
	stored(config.Login{})

	s.expect(exitOK, "", done, "login", "--url="+f.url, "--key=the-key")
	stored(config.Login{URL: f.url, Key: "the-key"})
	if info, err := os.Stat(file.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the login file: %v, %v", info, err)
	}

	s.expect(exitOK, "", "✓ Logged out.\n", "logout")
	stored(config.Login{})
	s.expect(exitOK, "", "You were not logged in.\n", "logout")

	s.in = strings.TrimPrefix(f.url, "http://") + "\nthe-key\n"
	s.expect(exitOK, "", "Address of the server [http://127.0.0.1:8470]: API key: "+done, "login")
	stored(config.Login{URL: f.url, Key: "the-key"})

	s.in = "\nthe-key" // the stored address is the proposal
	s.expect(exitOK, "", "Address of the server ["+f.url+"]: API key: "+done, "login")

	s.in = ""
	s.expect(exitFailure, "", "API key: Error: no API key was given (EOF). Give it with --key\n", "login", "--url="+f.url)
	s.in = f.url + "\n\n"
	s.expect(exitFailure, "", "Address of the server ["+f.url+"]: API key: Error: no API key was given (EOF). Give it with --key\n", "login")

	s.env = map[string]string{config.URLVariable: f.url, config.KeyVariable: "the-key"}
	s.expect(exitOK, "", done, "login")
	s.expect(exitOK, "", "✓ Logged out.\nMULTINODE_API_URL is still set, and will be used.\nMULTINODE_API_KEY is still set, and will be used.\n", "logout")

	s.env = map[string]string{}
	s.expect(exitFailure, "", "Error: server address \"ftp://x\": want http://HOST:PORT or https://HOST. To mend it, run `multinode login` and give another one\n",
		"login", "--url=ftp://x", "--key=k")
}

func TestNotLoggedIn(t *testing.T) {
	s := newShell(t, nil)
	s.expect(exitFailure, "", "Error: you are not logged in. Run `multinode login`, and before it `multinode up` if no server runs yet\n", "list")
	s.env[config.KeyVariable] = "k"
	s.expect(exitFailure, "", "Error: there is an API key, but no address of a server. Run `multinode login`, or set MULTINODE_API_URL\n", "list")
	s.env = map[string]string{config.URLVariable: "http://127.0.0.1:1"}
	s.expect(exitFailure, "", "Error: there is no API key for http://127.0.0.1:1. Run `multinode login`, or set MULTINODE_API_KEY\n", "list")
	s.env[config.KeyVariable] = "k"
	code, _, stderr := s.run("list")
	if code != exitFailure || !strings.HasPrefix(stderr, "Error: no server answers at http://127.0.0.1:1 (") ||
		!strings.HasSuffix(stderr, "Start one with `multinode up`, or change the address in MULTINODE_API_URL, which decides as long as it is set\n") {
		t.Errorf("unreachable: %d, %s", code, stderr)
	}
	code, _, stderr = s.run("login", "--url=http://127.0.0.1:2", "--key=k")
	if code != exitFailure || !strings.HasSuffix(stderr, "Start one with `multinode up`, or choose another with `multinode login`\n") {
		t.Errorf("login, unreachable: %d, %s", code, stderr)
	}
	s.home = ""
	s.env = map[string]string{}
	s.expect(exitFailure, "", "Error: there is no home folder to keep the login in. Set HOME, or MULTINODE_API_URL and MULTINODE_API_KEY\n", "list")
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects", wire.ProjectsList{})
	s := newShell(t, f)
	s.expect(exitOK, "", "Nothing is deployed. Run `multinode deploy DIR --project-name=NAME`.\n", "list")
	s.env[config.KeyVariable] = "wrong"
	s.expect(exitFailure, "", "Error: the server does not accept the API key in MULTINODE_API_KEY. Set another one, or unset it and run `multinode login`\n", "list")
	if err := config.At(s.home).Save(config.Login{URL: f.url, Key: "wrong"}); err != nil {
		t.Fatal(err)
	}
	s.env = map[string]string{}
	s.expect(exitFailure, "", "Error: the server does not accept this API key. Run `multinode login` to give another one\n", "list")
}
