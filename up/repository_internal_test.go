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

// A proxy that builds have for pip knows no way to the server; one that an image names
// is to see nothing of what goes there, nor to the repository.
func TestBuildsReachTheServerWithoutProxy(t *testing.T) {
	for name, test := range map[string]struct {
		server     []string
		repository string
		local      bool
		spared     string
	}{
		"none":           {nil, "https://registry.example/app", false, "gateway.example,registry.example"},
		"for all":        {[]string{"https_proxy=http://proxy:1", "no_proxy=mirror.example"}, "https://registry.example/app", false, "mirror.example,gateway.example"},
		"for HTTP":       {[]string{"HTTP_PROXY=http://proxy:1"}, "https://registry.example/app", false, "gateway.example,registry.example"},
		"local registry": {[]string{"HTTPS_PROXY=http://proxy:1"}, "https://host.docker.internal:5000/app", true, "gateway.example,host.docker.internal"},
	} {
		e := buildEnvironment(append(test.server, "AWS_SECRET_ACCESS_KEY=secret"), "http://gateway.example:8470", test.repository, test.local)
		if e["NO_PROXY"] != test.spared || e["no_proxy"] != test.spared || e["HTTPS_PROXY"] != e["https_proxy"] || e["AWS_SECRET_ACCESS_KEY"] != "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	o := workshopFor(t, &System{DataDir: t.TempDir()}, repository{name: "127.0.0.1:5000/multinode"}, "host.docker.internal:5000/multinode")
	if spared := o.Environment["NO_PROXY"]; !strings.HasSuffix(spared, "gateway.example,host.docker.internal") {
		t.Errorf("builds are to reach %q directly", spared)
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
