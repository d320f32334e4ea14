package up

import (
	"log/slog"
	"strings"
	"testing"

	"multinode/dispatcher/build/container"
	"multinode/images"
)

func TestNamesOfImagesThatMeanNothingAreFoundAtTheStart(t *testing.T) {
	for flag, c := range map[string]Containers{
		"--repository": {Repository: "https://registry.example/app"},
		"--base-image": {BaseImage: "python:3.12 slim"},
	} {
		if err := (Dispatch{Provisioner: DockerProvisioner, Containers: c}).check(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	good := Containers{Repository: "team/multinode", BaseImage: "mirror.example:5000/python:{version}-slim"}
	if err := (Dispatch{Provisioner: DockerProvisioner, Containers: good}).check(); err != nil {
		t.Error(err)
	}
}

// A proxy that builds have for pip knows no way to the server.
func TestBuildsReachTheServerWithoutProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	t.Setenv("no_proxy", "mirror.example")
	t.Setenv("NO_PROXY", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	s := &System{DataDir: t.TempDir()}
	o := workshopFor(t, s, repository{name: "127.0.0.1:5000/multinode"}, "host.docker.internal:5000/multinode")
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if o.Environment[name] != "mirror.example,gateway.example,host.docker.internal" {
			t.Errorf("%s is %q", name, o.Environment[name])
		}
	}
	if o.Environment["HTTP_PROXY"] == "" || o.Environment["AWS_SECRET_ACCESS_KEY"] != "" {
		t.Errorf("builds get %v", o.Environment)
	}
}

func TestCredentialsAreKnownByTheirRegistry(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	logins := images.New(images.Options{Credentials: map[string]images.Credential{"index.docker.io": {Username: "x", Password: "y"}}})
	for repo, want := range map[string]int{"team/multinode": 1, "other.example/app": 0} {
		o := workshopFor(t, &System{DataDir: t.TempDir()}, repository{name: repo, client: logins}, repo)
		given, err := o.Credentials(t.Context())
		if err != nil || len(given) != want || want == 1 && given["index.docker.io"].Password != "y" {
			t.Errorf("%s: %v, %v", repo, given, err)
		}
	}
}

func workshopFor(t *testing.T, s *System, r repository, inside string) container.Options {
	t.Helper()
	o, err := s.workshop(core{}, Dispatch{}, r, inside, "http://gateway.example:8470", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
