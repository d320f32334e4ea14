package aws_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"multinode/images/controlplane"
)

// What the module says to do with `multinode nats-config` works, and makes the files
// of the secrets.
func TestTheConfigurationOfNATS(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	p := mustPlan(t, nil)
	folder := filepath.Join(t.TempDir(), "nats")
	arguments := append(strings.Fields(output(t, p, "nats_config").AsString()), "--out="+folder)
	if out, err := exec.Command(program(t, "multinode"), arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for file := range output(t, p, "secrets").AsValueMap() {
		info, err := os.Stat(filepath.Join(folder, file))
		must(t, err)
		if info.Size() > 64<<10 {
			t.Errorf("%s has %d bytes, a secret at most 65,536", file, info.Size())
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "nats-2.conf"))
	must(t, err)
	// The volume of 50 GiB is mounted where the server keeps its data.
	for _, want := range []string{`host: "10.0.2.12"`, `store_dir: "/var/lib/nats"`, "max_file_store: 48318382080", "@10.0.3.13:6222"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}

// node is the machine of a NATS server, where other programs stand in for those of
// the system: each notes that it was called.
type node struct {
	t    *testing.T
	dir  string
	env  []string
	said map[string]string
}

// newNode unpacks what cloud-init is told.
func newNode(t *testing.T) *node {
	t.Helper()
	data := resource(t, mustPlan(t, nil), "aws_instance.nats").GetAttr("1").GetAttr("user_data").AsString()
	if len(data) > 16<<10 {
		t.Errorf("user data has %d bytes, EC2 takes 16,384", len(data))
	}
	head, body, _ := strings.Cut(data, "\n")
	var config struct {
		Files []struct{ Path, Content string } `json:"write_files"`
		Run   [][]string                       `json:"runcmd"`
	}
	must(t, json.Unmarshal([]byte(body), &config))
	if head != "#cloud-config" || len(config.Run) != 1 {
		t.Fatalf("%s: %v", head, config.Run)
	}
	n := &node{t: t, dir: t.TempDir(), said: map[string]string{}}
	for _, file := range config.Files {
		content := file.Content
		if file.Path == "/etc/multinode-nats.env" {
			n.env = strings.Fields(content)
			continue
		}
		// On this machine it keeps to a folder.
		content = regexp.MustCompile(`=(/var/lib/)`).ReplaceAllString(content, "="+n.dir+"$1")
		n.write(file.Path, content)
	}
	for _, name := range []string{"aws", "docker", "dnf", "systemctl", "mountpoint", "mount", "blkid", "mkfs.xfs", "chown"} {
		n.program(name, "")
	}
	for i, v := range n.env {
		if v == "DEVICE=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1" {
			n.env[i] = "DEVICE=" + filepath.Join(n.dir, "dev", "volume")
		}
	}
	return n
}

func (n *node) write(path, content string) {
	n.t.Helper()
	to := filepath.Join(n.dir, path)
	must(n.t, os.MkdirAll(filepath.Dir(to), 0o755))
	must(n.t, os.WriteFile(to, []byte(content), 0o755))
}

// program has a program note its arguments, and then do this.
func (n *node) program(name, does string) {
	n.t.Helper()
	n.write("/bin/"+name, "#!/bin/sh\necho \""+name+" $*\" >>"+n.dir+"/called\n"+does+"\n")
}

// start runs the script once, and returns what it called.
func (n *node) start() (called string, err error) {
	n.t.Helper()
	_ = os.Remove(filepath.Join(n.dir, "called"))
	cmd := exec.Command("bash", filepath.Join(n.dir, "/usr/local/sbin/multinode-nats"))
	cmd.Env = append([]string{"PATH=" + filepath.Join(n.dir, "bin") + ":/usr/bin:/bin"}, n.env...)
	out, err := cmd.CombinedOutput()
	n.t.Logf("%s", out)
	text, readErr := os.ReadFile(filepath.Join(n.dir, "called"))
	must(n.t, readErr)
	return strings.ReplaceAll(string(text), n.dir, ""), err
}

func TestANodeStartsItsServer(t *testing.T) {
	n := newNode(t)
	if called, err := n.start(); err == nil || strings.Contains(called, "docker run") {
		t.Errorf("without its volume: %v\n%s", err, called)
	}

	// The first start: an empty volume, and AWS answers.
	n.write("/dev/volume", "")
	n.program("blkid", "exit 2")
	n.program("mountpoint", "exit 1")
	n.program("aws", `case "$*" in
*get-secret-value*multinode/nats-1.conf*) echo "the configuration" ;;
*get-parameter*/multinode/nats-image*) echo "`+image+`" ;;
*get-login-password*) echo "the password" ;;
*) exit 1 ;;
esac`)
	n.program("docker", `case "$*" in "image inspect"*) exit 1 ;; login*) cat >/dev/null ;; esac`)
	called, err := n.start()
	must(t, err)
	for _, want := range []string{
		"mkfs.xfs /dev/volume\n", "mount /dev/volume /var/lib/nats\n", "chown 65532:65532 /var/lib/nats\n", "chown 65532:65532 /var/lib/multinode-nats/nats.conf\n",
		"docker login --username AWS --password-stdin " + account + ".dkr.ecr." + region + ".amazonaws.com\n", "docker pull --quiet " + image + "\n",
		"--volume /var/lib/nats:/var/lib/nats --volume /var/lib/multinode-nats/nats.conf:/etc/nats.conf:ro --entrypoint " + controlplane.NATSServerPath + " " + image + " --config /etc/nats.conf\n",
	} {
		if !strings.Contains(called, want) {
			t.Errorf("no %q in:\n%s", want, called)
		}
	}
	if text, err := os.ReadFile(filepath.Join(n.dir, "var", "lib", "multinode-nats", "nats.conf")); err != nil || string(text) != "the configuration\n" {
		t.Errorf("the configuration is %q, %v", text, err)
	}

	// Later, without AWS: what is there has to do, and the data stays.
	n.program("blkid", "")
	n.program("mountpoint", "")
	n.program("aws", "exit 1")
	n.program("docker", "")
	called, err = n.start()
	must(t, err)
	if strings.Contains(called, "mkfs") || strings.Contains(called, "pull") || !strings.Contains(called, " "+image+" --config") {
		t.Errorf("without AWS:\n%s", called)
	}
}

// No secret has got to this node yet: the server is not started.
func TestANodeWaitsForItsConfiguration(t *testing.T) {
	n := newNode(t)
	n.write("/dev/volume", "")
	n.program("aws", "exit 1")
	n.program("chown", `case "$*" in *nats.conf) exit 1 ;; esac`)
	if called, err := n.start(); err == nil || strings.Contains(called, "docker run") {
		t.Errorf("without a configuration: %v\n%s", err, called)
	}
}
